"""The exit codes as a person at a terminal meets them, each from two causes, with colours and without;
and Ctrl-C.

usage: terminal_test.py TORCHVET
"""

import os
import pathlib
import pty
import re
import signal
import sys
import time
import unittest

sys.dont_write_bytecode = True
from project import CLEAN, ERROR, FIXTURES, TORCHVET, WARNING, Case  # noqa: E402

NOTE = FIXTURES / "REG007/bad_mostly_frozen.pt"  # REG007 note
SCRIPT = FIXTURES / "demo/clean.pt"              # TorchScript: needs the worker


class OnATerminal(Case):
    """Each code from two causes, with a person in front of it: with colours and without."""

    def run_there(self, arguments: list, until: bytes = b"", typed: bytes = b"",
                  **variables) -> tuple[int, bytes]:
        """Runs the program with a terminal of its own, types when it has shown `until` (or, without
        that, when it waits); the exit code and all that was shown."""
        process, terminal = pty.fork()
        if process == 0:
            try:
                os.chdir(self.project)
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                os.execve(TORCHVET, [TORCHVET, *map(os.fspath, arguments)], self.environment(**variables))
            finally:
                os._exit(127)
        shown = b""
        if typed and not until:
            while not self.waits(process):
                time.sleep(0.05)
            os.write(terminal, typed)
            typed = b""
        try:
            while block := os.read(terminal, 1 << 16):
                shown += block
                if typed and until in shown:
                    os.write(terminal, typed)
                    typed = b""
        except OSError:
            pass  # so Linux says that the other side is closed
        os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), shown

    @staticmethod
    def waits(process: int) -> bool:
        """Is it the program already, and asleep?"""
        _, name, rest = re.split(r"[()]", pathlib.Path(f"/proc/{process}/stat").read_text(), maxsplit=2)
        return name == pathlib.Path(TORCHVET).name and rest.split()[0] == "S"

    @staticmethod
    def plain(shown: bytes) -> bytes:
        return re.sub(rb"\x1b\[[\d;]*m", b"", shown)

    def test_each_code(self):
        unread = self.project / "unread.pt"
        unread.write_bytes(b"\x10\0\0\0PTMF\0\0\0\0")  # a mobile model, which is not read yet
        self.configure('{"fail_on": "eror"}')
        for code, arguments, said, colored in (
                (0, ["check", CLEAN], b"passed", True),
                (0, ["check", WARNING], b"PKL004 warning", True),
                (1, ["check", ERROR], b"FAILED", True),
                (1, ["check", NOTE, "--fail-on", "note"], b"FAILED", True),
                (2, ["check", "absent.pt"], b"could not be read", True),
                (2, ["check", "--josn", CLEAN], b"did you mean --json?", False),
                (2, ["config", "check"], b"torchvet.json:1: fail_on: `eror`", False),
                (3, ["check", unread], b"INCOMPLETE", True),
                (3, ["check", CLEAN, "--timeout", "0"], b"INCOMPLETE", True)):
            isolated = ["--isolated"] if arguments[0] == "check" else []
            for variables, paint in (({"TERM": "xterm"}, True),
                                     ({"TERM": "xterm", "NO_COLOR": "1"}, False)):
                with self.subTest(arguments=arguments, variables=variables):
                    got, shown = self.run_there([*arguments, *isolated], **variables)
                    self.assertEqual(got, code, shown)
                    self.assertIn(said, self.plain(shown))
                    self.assertEqual(self.plain(shown) != shown, paint and colored, shown)

    def test_130_when_somebody_presses_ctrl_c(self):
        worker = self.project / "worker"
        worker.write_text("#!/bin/sh\nexec sleep 50\n")
        worker.chmod(0o755)
        for variables in ({"TERM": "xterm"}, {"TERM": "xterm", "NO_COLOR": "1"}):
            # In the middle of a file, when progress is shown, and before all of standard input came.
            code, shown = self.run_there(["check", SCRIPT, ERROR, "-j", "1"], b"0/2 files", b"\x03",
                                           TORCHVET_WORKER=str(worker), **variables)
            self.assertEqual(code, 130, shown)
            self.assertIn(b"not analysed: file: interrupted", self.plain(shown))
            self.assertIn(b"INCOMPLETE", shown)
            self.assertEqual(self.plain(shown) != shown, "NO_COLOR" not in variables, shown)
            code, shown = self.run_there(["check", "-"], typed=b"\x03", **variables)
            self.assertEqual(code, 130, shown)
            self.assertIn(b"<stdin>: not analysed: file: interrupted", self.plain(shown))


if __name__ == "__main__":
    unittest.main()
