"""A project with models, a configuration and a home of its own, in which tests run the program."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

TORCHVET = str(pathlib.Path(sys.argv.pop(1)).resolve())
FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "fixtures"

SETTINGS = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "CI", "TERM")

ERROR = FIXTURES / "REG009/bad_child.pt"         # REG009 error, PKL004 warning
MODE = FIXTURES / "demo/train_mode.pt"           # MOD001 error
WARNING = FIXTURES / "PKL004/bad_torch_only.pt"  # PKL004 warning
CLEAN = FIXTURES / "PKL004/ok_state_dict.pt"
SERIES = FIXTURES / "DRF001/bad_frozen_layer"    # DRF001 warning


class Case(unittest.TestCase):
    """A repository in `self.project`, the home directory beside it."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.project, self.home = self.folder / "project", self.folder / "home"
        (self.project / ".git").mkdir(parents=True)
        (self.project / "models").mkdir()
        self.home.mkdir()

    def model(self, name: str, source: pathlib.Path) -> pathlib.Path:
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, path)
        return path

    def configure(self, content, path: str = "torchvet.json") -> pathlib.Path:
        """Writes a configuration: a text as it is, anything else as JSON."""
        file = self.project / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
        return file

    def configure_user(self, content) -> pathlib.Path:
        return self.configure(content, str(self.home / ".config/torchvet/torchvet.json"))

    def environment(self, **variables: str) -> dict[str, str]:
        """Nothing but these, of what the program listens to."""
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(("TORCHVET_", "XDG_")) and name not in SETTINGS}
        return kept | {"HOME": str(self.home)} | variables

    def run_program(self, *arguments, folder: str = ".", **variables) -> subprocess.CompletedProcess:
        return subprocess.run([TORCHVET, *map(os.fspath, arguments)], capture_output=True, text=True,
                              cwd=self.project / folder, timeout=60, check=False,
                              env=self.environment(**variables))

    def expect(self, code: int, *arguments, stderr: str = "", **options) -> str:
        """Runs the program; its standard output when it ends with `code` and says `stderr` beside,
        word for word."""
        result = self.run_program(*arguments, **options)
        self.assertEqual((result.returncode, result.stderr), (code, stderr), result.stdout)
        return result.stdout

    def refused(self, *arguments, **options) -> str:
        """What the program says on standard error when it ends with 2 and does nothing else."""
        result = self.run_program(*arguments, **options)
        self.assertEqual((result.returncode, result.stdout), (2, ""), result.stderr)
        self.assertRegex(result.stderr, r"\A(torchvet: [^\n]+\n)+\Z")
        return result.stderr

    def report(self, *arguments, verb: str = "check", **options) -> dict:
        return json.loads(self.run_program(verb, "--json", *arguments, **options).stdout)

    def codes(self, *arguments, **options) -> list[tuple[str, str]]:
        return [(finding["code"], finding["severity"])
                for finding in self.report(*arguments, **options)["findings"]]
