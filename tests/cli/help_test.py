"""`--help` and the manual page: the text of each command stands in tests/help, its examples do what
they say, and the page is one that groff takes.

usage: help_test.py TORCHVET            compare
       help_test.py TORCHVET --update   write tests/help anew; read the difference before you commit it
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
from project import CLEAN, ERROR, FIXTURES, SERIES, TORCHVET, Case  # noqa: E402

TEXTS = pathlib.Path(__file__).resolve().parents[1] / "help"


def help_of(*arguments: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TORCHVET_")}
    return subprocess.run([TORCHVET, *arguments], capture_output=True, text=True, check=True,
                          env=kept, timeout=60).stdout


def verbs() -> list[str]:
    commands = help_of("help").split("Commands:\n")[1].split("\n\n")[0]
    return re.findall(r"(?m)^  ([a-z]+)", commands)


def texts() -> dict[str, str]:
    return {verb: help_of("help", verb) for verb in verbs()}


class Help(Case):
    def test_each_text_is_the_one_that_was_agreed(self):
        self.assertEqual(sorted(path.stem for path in TEXTS.iterdir()), sorted(verbs()))
        for verb, text in texts().items():
            with self.subTest(verb=verb):
                self.assertEqual(text, (TEXTS / f"{verb}.txt").read_text(),
                                 "tests/cli/help_test.py TORCHVET --update")

    def test_the_order_of_each_text(self):
        for verb, text in texts().items():
            if verb == "help":
                continue
            headings = re.findall(r"(?m)^([A-Z][a-z ]+):$", text)
            self.assertEqual(headings[0], "Examples", verb)
            self.assertEqual(len(headings), len(set(headings)), "each group of options stands once")

    def test_the_examples_work(self):
        self.model("model.pt", CLEAN)
        self.model("exported/a.pt", ERROR)
        self.configure("", "torchvet.1")
        contract = self.expect(0, "inspect", CLEAN, "--what", "tensors", "--format", "json")
        self.configure(contract, "contract.json")
        for name in ("new.pt", "old.pt"):
            self.model(name, CLEAN)
        self.model("model.safetensors", FIXTURES / "CTR001/ok_tensors.safetensors")
        self.model("last.ckpt", FIXTURES / "CTR001/ok_checkpoint.pt")
        for checkpoint in SERIES.iterdir():
            self.model(f"run/{checkpoint.name}", checkpoint)
            self.model(checkpoint.name, checkpoint)
        commands = [command for text in texts().values()
                    for command in re.findall(r"(?m)^  torchvet (.+?)(?:  .*)?$",
                                              text.split("Examples:\n")[-1].split("\n\n")[0])]
        self.assertGreater(len(commands), 20)
        for command in commands:
            words = command.split(" > ")[0].split()
            if "init" in words:
                (self.project / "torchvet.json").unlink(missing_ok=True)
            words = ["1" if word == "600" else word for word in words]  # seconds to wait
            result = self.run_program(*words)
            found_something = words[0] == "check" and "exported/" in words and "--baseline" not in words
            self.assertEqual(result.returncode, 1 if found_something or "-" in words else 0,
                             (command, result.stdout, result.stderr))

    def test_the_manual_page(self):
        page = self.expect(0, "man")
        for verb, text in texts().items():
            self.assertIn(f".SS \\fBtorchvet {verb}\\fR", page)
            for flag in re.findall(r"(?m)^  (?:-\w, )?(--[a-z-]+)", text):
                self.assertIn("\\fB" + flag.replace("-", "\\-") + "\\fR", page)
        for code in (0, 1, 2, 3, 130):
            self.assertIn(f".TP\n.B {code}\n", page)
        self.assertNotIn("\n\n", page)
        if shutil.which("groff") is None:
            self.skipTest("groff is not installed")
        shown = subprocess.run(["groff", "-man", "-Tascii", "-ww", "-P-cbou"], input=page, text=True,
                               capture_output=True, timeout=60, check=True)
        self.assertEqual(shown.stderr, "")
        for words in ("torchvet check exported/ --fail-on warning", "TORCHVET_FAIL_ON", "EXIT STATUS"):
            self.assertIn(words, shown.stdout)


def update() -> None:
    shutil.rmtree(TEXTS, ignore_errors=True)
    TEXTS.mkdir()
    for verb, text in texts().items():
        (TEXTS / f"{verb}.txt").write_text(text)


if __name__ == "__main__":
    if "--update" in sys.argv:
        update()
    else:
        unittest.main()
