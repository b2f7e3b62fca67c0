"""What `drift` prints of a series to a pipe and to a terminal, and the matrix of its JSON report against
torch.

usage: drift_report_test.py TORCHVET
"""

import fcntl
import json
import os
import pathlib
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import unittest
import zipfile

try:
    import torch
except ImportError as problem:
    print(f"skipped: this Python has no torch ({problem}): set TORCHVET_PYTHON to one that has")
    sys.exit(77)

TORCHVET = str(pathlib.Path(sys.argv.pop(1)).resolve())
CHECKPOINTS = 60
BLOCKS = re.compile("[▁▂▃▄▅▆▇█·]")
SETTINGS = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "CI", "TERM", "LC_ALL", "LC_CTYPE", "LANG")


def environment(**variables: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in SETTINGS} | variables


class Report(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        """Forty matrices: one never moves, one is replaced, one moves a hundred times more."""
        cls.folder = pathlib.Path(tempfile.mkdtemp())
        torch.manual_seed(0)
        model = {f"layers.{i}.weight": torch.randn(16, 16) for i in range(40)}
        model["counts"] = torch.zeros(2, dtype=torch.int64)
        for number in range(CHECKPOINTS):
            if number:
                for i in range(1, 40):
                    model[f"layers.{i}.weight"] += (0.1 if i == 3 else 0.001) * torch.randn(16, 16)
                model["counts"] += 1
            if number == 30:
                model["layers.2.weight"] = torch.randn(16, 16)
            torch.save({"model": model, "global_step": number * 10},
                       cls.folder / f"step_{number * 10}.pt")

    @classmethod
    def tearDownClass(cls) -> None:
        shutil.rmtree(cls.folder)

    def in_pipe(self, *options: str) -> str:
        run = subprocess.run([TORCHVET, "drift", *options, self.folder], capture_output=True,
                             timeout=60, env=environment(LANG="C.UTF-8", TERM="xterm"), check=False)
        self.assertEqual((run.returncode, run.stderr), (0, b""))
        return run.stdout.decode()

    def on_terminal(self, lines: int, columns: int, **variables: str) -> list[str]:
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("4H", lines, columns, 0, 0))
        with subprocess.Popen([TORCHVET, "drift", self.folder], stdout=follower,
                              stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                              env=environment(**variables)):
            os.close(follower)
            written = b""
            try:
                while block := os.read(leader, 1 << 16):
                    written += block
            except OSError:
                pass  # so Linux says that the other side is closed
            os.close(leader)
        text = re.sub(r"\x1b\[[\d;]*m", "", written.decode())
        return text.replace("\r\n", "\n").split("\n")

    def test_a_pipe_gets_ascii(self):
        text = self.in_pipe()
        self.assertTrue(text.isascii())
        table = text.split("\n\n")[0].splitlines()
        self.assertLessEqual(len(table), 55)
        self.assertRegex(text, r"(?m)^ +0  step_0.pt$")
        self.assertRegex(text, r"(?m)^ +590  step_590.pt +40 +1 +0.001$")
        self.assertRegex(text, r"(?m)^ +\.\.\.  \(\d+ more\)$")
        self.assertRegex(text, r"(?m)^    layers.0.weight +_{59}  never moved$")
        self.assertRegex(text, r"(?m)^    layers.2.weight .*  replaced in step_300.pt$")
        self.assertRegex(text, r"(?m)^    layers.3.weight +[+*]{59}  up to 1\d\d x the median$")

    def test_a_terminal_gets_blocks_when_it_can(self):
        utf8 = {"TERM": "xterm", "LANG": "en_US.UTF-8"}
        for variables, expected in ((utf8, True), (utf8 | {"LC_ALL": "C"}, False),
                                    (utf8 | {"TERM": "linux"}, False),
                                    (utf8 | {"TERM": "dumb"}, False), ({"TERM": "xterm"}, False),
                                    ({"TERM": "xterm", "LC_CTYPE": "C.utf8"}, True)):
            text = "\n".join(self.on_terminal(50, 120, **variables))
            self.assertEqual(bool(BLOCKS.search(text)), expected, variables)
            self.assertIn("never moved", text)

    def test_the_table_leaves_room_for_the_findings(self):
        for lines, columns in ((24, 80), (60, 200), (10, 60)):
            shown = self.on_terminal(lines, columns, TERM="xterm", LANG="C.UTF-8")
            table = shown[:shown.index("")]
            self.assertLessEqual(len(table), max(13, lines * 3 // 4), (lines, columns))
            self.assertLessEqual(max(map(len, table[1:])), columns, (lines, columns))

    def test_json_has_the_whole_matrix(self):
        report = json.loads(self.in_pipe("--json"))
        series = report["series"]
        self.assertEqual(set(series), {"order", "intervals", "tensors"})
        self.assertEqual(len(series["intervals"]), CHECKPOINTS - 1)
        states = [torch.load(self.folder / f"step_{number * 10}.pt")["model"]
                  for number in range(CHECKPOINTS)]
        self.assertEqual([one["name"] for one in series["tensors"]], [*states[0]])
        for one in series["tensors"]:
            updates = one["relative_update"]
            self.assertEqual(len(updates), CHECKPOINTS - 1)
            if one["name"] == "counts":
                self.assertEqual(updates, [None] * (CHECKPOINTS - 1))  # whole numbers: moved
                continue
            for number, update in enumerate(updates):
                before, after = (states[number + i][one["name"]].double() for i in (0, 1))
                self.assertAlmostEqual(update, float((after - before).norm() / before.norm()),
                                       delta=1e-6 * max(update, 1e-30))

    def test_json_of_two_checkpoints_is_the_same_with_any_number_of_threads(self):
        one, eight = (json.loads(self.in_pipe("--json", "--reproducible", "-j", jobs))
                      for jobs in ("1", "8"))
        self.assertEqual(one["series"], eight["series"])


class DamagedSeries(unittest.TestCase):
    """Two checkpoints, deflated, whose tensor uses the beginning of its storage; of one the stream breaks behind."""

    def setUp(self) -> None:
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        torch.manual_seed(0)
        for number in (0, 1):
            plain = self.folder / "plain.pt"
            torch.save({"a.weight": torch.randn(200_000)[:512].reshape(16, 32), "b.weight": torch.randn(16, 16)}, plain)
            with zipfile.ZipFile(plain) as old, zipfile.ZipFile(self.path(number), "w") as new:
                for name in old.namelist():
                    new.writestr(name, old.read(name), zipfile.ZIP_DEFLATED)
            plain.unlink()

    def path(self, number: int) -> pathlib.Path:
        return self.folder / f"step_{number}.pt"

    def damage(self, number: int) -> None:
        with zipfile.ZipFile(self.path(number)) as archive:
            record = next(one for one in archive.infolist() if one.filename.endswith("/data/0"))
        content = bytearray(self.path(number).read_bytes())
        at = record.header_offset + 30 + len(record.filename) + record.compress_size
        content[at - 1000:at] = b"\xff" * 1000
        self.path(number).write_bytes(content)

    def drift(self) -> tuple[int, list]:
        run = subprocess.run([TORCHVET, "drift", "--isolated", "--json", self.path(0), self.path(1)],
                             capture_output=True, timeout=60, check=False)
        return run.returncode, [(pathlib.Path(artifact["path"]).name, gap["what"].rpartition("/")[2])
                                for artifact in json.loads(run.stdout)["artifacts"] for gap in artifact["gaps"]]

    def test_sound_streams_are_compared(self) -> None:
        self.assertEqual(self.drift(), (0, []))

    def test_a_stream_that_breaks_behind_its_tensor_is_told(self) -> None:
        for number in (0, 1):
            with self.subTest(number):
                kept = self.path(number).read_bytes()
                self.damage(number)
                self.assertEqual(self.drift(), (3, [(f"step_{number}.pt", "0")]))
                self.path(number).write_bytes(kept)


if __name__ == "__main__":
    unittest.main()
