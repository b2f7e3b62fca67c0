"""scripts/torchvet and scripts/setup: when they work, what they print, how they fail.

Run by ctest; needs nothing but Python and a POSIX system.
"""

import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def script(path: pathlib.Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)


def run(*command, **options) -> subprocess.CompletedProcess:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


class Wrapper(unittest.TestCase):
    """scripts/torchvet in a tree of its own, with a program and a set-up that only tell."""

    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)
        (self.root / "scripts").mkdir()
        shutil.copy(ROOT / "scripts/torchvet", self.root / "scripts/torchvet")
        for folder in ("src/core", "rules", "cmake", "build/release"):
            (self.root / folder).mkdir(parents=True)
        for file in ("src/core/a.cpp", "CMakeLists.txt", "CMakePresets.json"):
            (self.root / file).write_text("")
        self.build_program = (
            'echo "setting up"; touch "$0.called"\n'
            'mkdir -p "$(dirname "$0")/../build/release/bin"\n'
            'cd "$(dirname "$0")/../build/release"\n'
            "printf '#!/bin/sh\\necho \"program $*\"\\nexit 7\\n' > bin/torchvet\n"
            "chmod +x bin/torchvet; mkdir -p torch/lib; touch torch/lib/libtorch_cpu.so\n"
            'echo "$PWD/torch" > set-up.stamp\n')
        script(self.root / "scripts/setup", self.build_program)

    def call(self, *arguments):
        result = run(str(self.root / "scripts/torchvet"), *arguments)
        called = self.root / "scripts/setup.called"
        was_called = called.exists()
        called.unlink(missing_ok=True)
        return result, was_called

    def later(self):
        time.sleep(0.02)  # coarse clocks of file systems

    def test_first_call_sets_up_and_later_calls_do_not(self):
        result, set_up = self.call("check", "a b")
        self.assertTrue(set_up)
        self.assertEqual(result.stdout, "program check a b\n")
        self.assertEqual(result.stderr, "setting up\n")
        self.assertEqual(result.returncode, 7)
        result, set_up = self.call("check")
        self.assertFalse(set_up)
        self.assertEqual((result.stdout, result.stderr), ("program check\n", ""))

    def test_a_changed_new_or_removed_source_builds_again(self):
        changes = (lambda: (self.root / "src/core/a.cpp").write_text("x"),
                   lambda: (self.root / "rules/new.cpp").write_text("x"),
                   lambda: (self.root / "src/core/a.cpp").unlink(),
                   lambda: (self.root / "CMakeLists.txt").write_text("x"))
        self.call()
        for change in changes:
            self.later()
            change()
            self.later()
            self.assertTrue(self.call()[1])
            self.assertFalse(self.call()[1])

    def test_a_libtorch_that_went_away_builds_again(self):
        self.call()
        shutil.rmtree(self.root / "build/release/torch")
        self.assertTrue(self.call()[1])
        self.assertFalse(self.call()[1])

    def test_a_failing_set_up_is_exit_code_2_and_leaves_stdout_empty(self):
        script(self.root / "scripts/setup", "echo out; echo err >&2; exit 1\n")
        result, _ = self.call()
        self.assertEqual(result.returncode, 2)
        self.assertEqual(result.stdout, "")
        self.assertIn("err", result.stderr)

    def test_works_through_a_link_and_from_elsewhere(self):
        link = self.root / "link"
        link.symlink_to(self.root / "scripts/torchvet")
        result = run(str(link), "x", cwd="/")
        self.assertEqual(result.stdout, "program x\n")


class SetUp(unittest.TestCase):
    def call(self, *arguments, tools=None, **variables):
        """Runs scripts/setup with stand-ins for some commands first on the PATH."""
        folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        for name, text in (tools or {}).items():
            script(folder / name, text)
        environment = dict(os.environ, PATH=f"{folder}:{os.environ['PATH']}", **variables)
        return run(str(ROOT / "scripts/setup"), *arguments, env=environment)

    def test_without_root_it_names_one_command(self):
        result = self.call("--packages", tools={
            "dpkg-query": "exit 1\n", "id": "echo 1000\n", "sudo": "exit 1\n"})
        self.assertEqual(result.returncode, 2)
        self.assertEqual(result.stdout, "")
        commands = [line for line in result.stderr.splitlines() if line.startswith("sudo ")]
        self.assertEqual(len(commands), 1)
        self.assertRegex(commands[0], r"^sudo apt-get update && sudo apt-get install -y "
                                      r"--no-install-recommends .*\blibfmt-dev\b")

    def test_with_sudo_it_installs_only_what_is_missing(self):
        result = self.call("--packages", tools={
            "dpkg-query": 'case "$3" in libfmt-dev) exit 1;; esac\n'
                          "echo 'install ok installed'\n",
            "id": "echo 1000\n",
            "sudo": 'shift; [ "$1" = true ] || echo "sudo: $*"\n'})
        self.assertEqual(result.returncode, 0, result.stderr)
        installs = [line for line in result.stderr.splitlines() if "apt-get install" in line]
        self.assertEqual(len(installs), 1)
        self.assertTrue(installs[0].endswith("--no-install-recommends libfmt-dev"), installs)

    def test_nothing_missing_is_silent(self):
        result = self.call("--packages", tools={"dpkg-query": "echo 'install ok installed'\n"})
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))

    def test_a_libtorch_that_is_none_is_named(self):
        result = self.call("--libtorch", TORCHVET_LIBTORCH="/nowhere")
        self.assertEqual(result.returncode, 2)
        self.assertIn("TORCHVET_LIBTORCH=/nowhere holds no LibTorch", result.stderr)

    def test_the_torch_of_the_users_python_is_taken_when_its_version_is_right(self):
        folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        torch = folder / "torch"
        for file, text in (("__init__.py", "raise RuntimeError('imported')"),
                           ("version.py", "__version__ = '2.13.0+cu130'\n"),
                           ("include/torch/csrc/jit/serialization/import_source.h", ""),
                           ("lib/libtorch_cpu.so", "")):
            (torch / file).parent.mkdir(parents=True, exist_ok=True)
            (torch / file).write_text(text)
        result = self.call("--libtorch", PYTHONPATH=str(folder), TORCHVET_LIBTORCH="")
        self.assertEqual((result.returncode, result.stdout), (0, f"{torch}\n"), result.stderr)

    def complete(self, mark: str):
        """`--python` of a tree with a private environment whose Python only tells."""
        root = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, root)
        (root / "scripts").mkdir()
        shutil.copy(ROOT / "scripts/setup", root / "scripts/setup")
        venv = root / "build/venv"
        script(venv / "bin/python", 'echo "$*" >> "$(dirname "$0")/../calls"; echo /torch\n')
        (venv / mark).write_text("")
        script(root / "tools/python3", 'case "$*" in *"-m venv"*) exit 1;; *"- "*) exit 1;; esac\n')
        environment = dict(os.environ, PATH=f"{root / 'tools'}:{os.environ['PATH']}")
        environment.pop("TORCHVET_PYTHON", None)
        return venv, run(str(root / "scripts/setup"), "--python", env=environment)

    def test_an_environment_that_lacks_a_package_is_completed_and_kept(self):
        venv, result = self.complete("ready-torch-2.13.0-older")
        self.assertEqual((result.returncode, result.stdout), (0, f"{venv}/bin/python\n"), result.stderr)
        install = (venv / "calls").read_text().splitlines()[0].split()
        self.assertEqual(install[:3], ["-m", "pip", "install"])
        self.assertIn("torch==2.13.0", install)
        self.assertTrue(any(word.startswith("pyyaml") for word in install))
        [mark] = venv.glob("ready-*")
        self.assertNotEqual(mark.name, "ready-torch-2.13.0-older")

    def test_an_environment_that_was_never_complete_is_made_anew(self):
        venv, result = self.complete("ready-torch-1.0.0-older")
        self.assertEqual(result.returncode, 2)
        self.assertIn("python3 -m venv failed", result.stderr)
        self.assertFalse(venv.exists())

    def test_an_unknown_argument_is_refused(self):
        self.assertEqual(self.call("--nonsense").returncode, 2)


if __name__ == "__main__":
    unittest.main()
