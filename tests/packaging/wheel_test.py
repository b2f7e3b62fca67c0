"""The Python wheel, installed in an environment of its own: with torch, without, and with another.

usage: wheel_test.py BUILD_DIRECTORY [--install-torch]

The torch is a link to the one of the build, which is quick; with --install-torch it is what
`pip install` brings (scripts/accept_wheel).
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(sys.argv[1])
INSTALL_TORCH = "--install-torch" in sys.argv[2:]
SCRIPT = ROOT / "fixtures/demo/clean.pt"
STATE_DICT = ROOT / "fixtures/STO005/ok_state_dict.pt"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


def torch_of_build():
    cache = (BUILD / "CMakeCache.txt").read_text()
    return pathlib.Path(re.search(r"^TORCHVET_LIBTORCH:\w+=(.*)$", cache, re.M)[1])


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        made = subprocess.run([sys.executable, str(ROOT / "scripts/wheel"), "--build", str(BUILD),
                               "--output", str(cls.folder)], check=True, capture_output=True, text=True)
        cls.wheel = pathlib.Path(made.stdout.strip())
        cls.environment = cls.folder / "environment"
        subprocess.run([sys.executable, "-m", "venv", str(cls.environment)], check=True)
        cls.pip("install", "--quiet", "--no-index", "--no-deps", str(cls.wheel))
        cls.packages = next((cls.environment / "lib").glob("python3*/site-packages"))

    @classmethod
    def pip(cls, *arguments):
        subprocess.run([str(cls.environment / "bin/python"), "-m", "pip",
                        "--disable-pip-version-check", *arguments], check=True)

    def check(self, file):
        # From an empty place and environment, so that nothing is found by accident.
        return subprocess.run([str(self.environment / "bin/torchvet"), "check", str(file)],
                              cwd=self.folder, env=ENVIRONMENT, capture_output=True, text=True,
                              timeout=60, check=False)

    def put_torch(self, version):
        """A torch package that is there as far as its version, and cannot be loaded."""
        torch = self.packages / "torch"
        (torch / "lib").mkdir(parents=True)
        self.addCleanup(shutil.rmtree, torch)
        (torch / "version.py").write_text(f"from typing import Optional\n\n__version__ = '{version}'\n")
        (torch / "lib/libtorch_cpu.so").write_bytes(b"not a library")

    def expect_gap(self, *words):
        result = self.check(SCRIPT)
        self.assertEqual(result.returncode, 3, result.stdout + result.stderr)
        for word in words:
            self.assertIn(word, " ".join(result.stdout.split()))

    def test_no_library_is_looked_for_where_it_was_built(self):
        for program in ("bin/torchvet", "libexec/torchvet/torchvet-graph"):
            dynamic = subprocess.run(["readelf", "-d", str(self.environment / program)], check=True,
                                     capture_output=True, text=True).stdout
            paths = re.search(r"R(?:UN)?PATH.*\[(.*)\]", dynamic)[1]
            for path in paths.split(":"):
                self.assertTrue(path.startswith("$ORIGIN"), paths)

    def test_what_is_bundled_is_what_is_loaded(self):
        loaded = subprocess.run(["ldd", str(self.environment / "bin/torchvet")], check=True,
                                env=ENVIRONMENT, capture_output=True, text=True).stdout
        bundled = sorted(file.name for file in (self.environment / "lib/torchvet").iterdir())
        self.assertIn("libcrypto.so.3", bundled)
        for name in bundled:
            self.assertIn(f"{name} => {self.environment}/", loaded)
        with zipfile.ZipFile(self.wheel) as wheel:
            licences = [name for name in wheel.namelist() if ".dist-info/licenses/" in name]
        self.assertGreater(len(licences), 2)

    def test_the_schemas_are_in_it(self):
        self.assertEqual({file.name for file in (self.environment / "share/torchvet").iterdir()},
                         {file.name for file in (ROOT / "rules").glob("*.schema.json")})

    def test_a_state_dict_needs_no_torch(self):
        result = self.check(STATE_DICT)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_without_torch_a_program_is_incomplete(self):
        self.expect_gap("the graph worker needs LibTorch", "there is no torch in",
                        "install torch")

    def test_another_torch_is_named_and_not_loaded(self):
        self.put_torch("2.1.2+cu121")
        self.expect_gap("the graph worker needs LibTorch", "is 2.1.2+cu121")

    def test_a_torch_that_cannot_be_loaded_is_said(self):
        release = re.search(r"needs LibTorch ([\d.]+)", " ".join(self.check(SCRIPT).stdout.split()))[1]
        self.put_torch(f"{release}.0")
        self.expect_gap("could not load that of")

    def test_with_torch_a_program_is_checked(self):
        if INSTALL_TORCH:
            self.pip("install", "--quiet", "torch==2.13.0")
            self.addCleanup(self.pip, "uninstall", "--quiet", "--yes", "torch")
        else:
            torch = torch_of_build()
            if not (torch / "version.py").exists():
                self.skipTest("built with a LibTorch that is no Python package")
            (self.packages / "torch").symlink_to(torch)
            self.addCleanup((self.packages / "torch").unlink)
        result = self.check(SCRIPT)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2 if INSTALL_TORCH else 1)
