"""`inspect --what loaders`: text, JSON, the release of torch, and what it must not do.

usage: loaders_test.py TORCHVET
"""

import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest
import zipfile

TORCHVET = str(pathlib.Path(sys.argv.pop(1)).resolve())
FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "fixtures"
STATE_DICT = FIXTURES / "PKL004/ok_state_dict.pt"


def inspect(path: pathlib.Path, *options: str) -> subprocess.CompletedProcess:
    return subprocess.run([TORCHVET, "inspect", "--isolated", "--what", "loaders", *options, str(path)],
                          capture_output=True, text=True, timeout=60, check=False)


def prediction(path: pathlib.Path, *options: str) -> dict:
    return json.loads(inspect(path, "--format", "json", *options).stdout)["loaders"][0]


class Loaders(unittest.TestCase):
    def setUp(self):
        made = tempfile.TemporaryDirectory()
        self.addCleanup(made.cleanup)
        self.folder = pathlib.Path(made.name)

    def archive(self, pickle: bytes, name: str = "made.pt") -> pathlib.Path:
        path = self.folder / name
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a/data.pkl", pickle)
            archive.writestr("a/version", "3\n")
        return path

    def test_a_state_dict_opens(self):
        self.assertEqual(prediction(STATE_DICT), {"loader": "torch.load(weights_only=True)",
                                                  "opens": True, "error": "", "remedy": ""})
        run = inspect(STATE_DICT)
        self.assertEqual(run.returncode, 0)
        self.assertTrue(run.stdout.startswith("  torch.load(weights_only=True): opens\n"), run.stdout)
        self.assertIn("  torch.jit.load: fails\n    says  RuntimeError: PytorchStreamReader", run.stdout)

    def test_the_right_loader_is_named(self):
        expected = {STATE_DICT: ("torch.load(weights_only=True)", "torch.jit.load", "torch.load"),
                    FIXTURES / "PKL010/ok_script.pt": ("torch.jit.load", "torch.load(weights_only=True)",
                                                       "torch.jit.load"),
                    FIXTURES / "PKL009/ok_program.pt2": ("torch.export.load", "torch.jit.load",
                                                         "torch.export.load")}
        for path, (right, wrong, remedy) in expected.items():
            said = {one["loader"]: one for one in json.loads(inspect(path, "--format", "json").stdout)["loaders"]}
            self.assertEqual(len(said), 9)
            self.assertIs(said[right]["opens"], True, path.name)
            self.assertIs(said[wrong]["opens"], False, path.name)
            self.assertEqual(said[wrong]["remedy"], remedy, path.name)

    def test_mmap_looks_at_no_lengths(self):
        storage = (b"(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0" + b"0X\3\0\0\0cpuK\4tQ")
        tensor = (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + storage
                  + b"K\0K\4\x85K\1\x85\x89ccollections\nOrderedDict\n)RtR.")
        for length, opens in ((16, True), (12, False)):
            path = self.folder / f"{length}.pt"
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("a/data.pkl", tensor)
                archive.writestr("a/version", "3\n")
                archive.writestr("a/data/0", bytes(length))
            said = {one["loader"]: one["opens"]
                    for one in json.loads(inspect(path, "--format", "json", "--allow-incomplete").stdout)["loaders"]}
            self.assertEqual((said["torch.load(weights_only=True)"], said["torch.load(mmap=True)"]), (opens, True))

    def test_all_names_are_in_the_remedy(self):
        said = prediction(self.archive(b"\x80\x02ca\nOne\n0ca.b\nTwo\n."))
        self.assertEqual(said["opens"], False)
        self.assertIn("UnpicklingError: Unsupported global: GLOBAL a.One", said["error"])
        self.assertIn("add_safe_globals([a.One, a.b.Two])", said["remedy"])

    def test_nobody_is_told_to_allow_a_shell(self):
        for name in (b"posix\nsystem", b"__builtin__\neval"):
            said = prediction(self.archive(b"\x80\x02c" + name + b"\n(X\1\0\0\0atR."))
            self.assertEqual(said["opens"], False, name)
            self.assertNotIn("add_safe_globals", said["remedy"])
            self.assertIn("do not load it", said["remedy"])

    def test_no_remedy_for_what_check_calls_dangerous(self):
        for path in sorted((FIXTURES / "PKL001").glob("bad_*.pt")):
            said = prediction(path)
            if said["opens"] is False:
                self.assertTrue(said["remedy"].startswith("none: "), (path.name, said))
        self.assertNotIn("getattr", prediction(FIXTURES / "PKL001/ok_bound_method.pt")["remedy"])

    def test_the_release_decides(self):
        newer = self.archive(b"\x80\x02ctorch\nfloat8_e8m0fnu\n.")
        expected = {"2.6": False, "2.7": None, "2.9": True, "2.11": True, "2.13": True, "1.13": None}
        for release, opens in expected.items():
            self.assertEqual(prediction(newer, "--target-torch", release)["opens"], opens, release)
        self.assertIn("is not known here", prediction(newer, "--target-torch", "1.13")["error"])
        run = inspect(newer, "--target-torch", "new")
        self.assertEqual((run.returncode, run.stdout), (2, ""))
        self.assertIn("--target-torch: `new` is no version", run.stderr)

    def test_what_the_file_says_is_escaped(self):
        path = self.archive(b"\x80\x02ca\x1b[31m\nb\n.")
        self.assertNotIn("\x1b", inspect(path).stdout)

    def test_huge_sizes_cost_nothing(self):
        storage = (b"(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0" + b"0X\3\0\0\0cpu\x8a\x08"
                   + struct.pack("<q", 1 << 61) + b"tQ.")
        self.assertEqual(prediction(self.archive(b"\x80\x02" + storage))["opens"], False)
        depth = 30_000
        nested = self.archive(b"\x80\x02)" + b"\x85" * depth + b".")
        self.assertEqual(prediction(nested)["opens"], True)
        keyed = self.archive(b"\x80\x02})" + b"\x85" * depth + b"Ns.")
        self.assertIsNone(prediction(keyed)["opens"])


if __name__ == "__main__":
    unittest.main()
