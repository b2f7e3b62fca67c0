"""The installed tree: what is in it, and that it runs from there.

usage: install_test.py CMAKE BUILD_DIRECTORY
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

CMAKE, BUILD = sys.argv[1], pathlib.Path(sys.argv[2])
ROOT = pathlib.Path(__file__).resolve().parents[2]


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        installed = pathlib.Path(cls.folder.name) / "usr"
        subprocess.run([CMAKE, "--install", str(BUILD), "--prefix", str(installed)], check=True,
                       stdout=subprocess.DEVNULL)
        # Nothing in the tree depends on where it was installed.
        cls.prefix = installed.rename(installed.with_name("moved"))
        cls.program = cls.prefix / "bin/torchvet"

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def run_program(self, *arguments):
        # From an empty folder, so that nothing is found by accident.
        return subprocess.run([str(self.program), *arguments], cwd=self.folder.name,
                              capture_output=True, text=True, timeout=60, check=False)

    def test_the_files_are_where_they_belong(self):
        for file in ("share/bash-completion/completions/torchvet",
                     "share/zsh/site-functions/_torchvet",
                     "share/fish/vendor_completions.d/torchvet.fish",
                     "share/man/man1/torchvet.1",
                     "share/doc/torchvet/LICENSE"):
            self.assertTrue((self.prefix / file).is_file(), file)
        self.assertTrue(os.access(self.program, os.X_OK))

    def test_every_schema_is_installed(self):
        published = {file.name: file.read_bytes() for file in (ROOT / "rules").glob("*.schema.json")}
        installed = {file.name: file.read_bytes()
                     for file in (self.prefix / "share/torchvet").glob("*.schema.json")}
        self.assertIn("expect.schema.json", published)
        self.assertEqual(installed, published)

    def test_completions_name_the_verbs(self):
        for file in ("bash-completion/completions/torchvet", "zsh/site-functions/_torchvet",
                     "fish/vendor_completions.d/torchvet.fish"):
            self.assertIn("check", (self.prefix / "share" / file).read_text())

    def test_it_says_its_version(self):
        result = self.run_program("version")
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout, r"^torchvet \d+\.\d+\.\d+")

    def test_it_lowers_a_program_with_the_worker_beside_it(self):
        if not (BUILD / "bin/torchvet-graph").exists():
            self.skipTest("built without the worker")
        worker = self.prefix / "libexec/torchvet/torchvet-graph"
        self.assertTrue(os.access(worker, os.X_OK))
        model = ROOT / "fixtures/demo/clean.pt"
        if not model.exists():
            self.skipTest("no demo")
        result = self.run_program("check", str(model))
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        worker.rename(worker.with_suffix(".away"))
        try:
            self.assertEqual(self.run_program("check", str(model)).returncode, 3)
        finally:
            worker.with_suffix(".away").rename(worker)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
