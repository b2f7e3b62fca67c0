"""`torchvet` without a command says what it is for and what to begin with in this folder; one that is
mistyped is named.

usage: first_words_test.py TORCHVET
"""

import re
import shlex
import sys
import unittest

sys.dont_write_bytecode = True
from project import CLEAN, Case  # noqa: E402


class FirstWords(Case):
    def first_words(self) -> str:
        result = self.run_program()
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertIsNone(re.search(r"[\x00-\x09\x0b-\x1f\x7f]", result.stderr))
        return result.stderr

    def test_the_commands_it_names_are_commands(self):
        for command in re.findall(r"(?m)^  torchvet (\w+)", self.first_words()):
            self.expect(0, "help", command)

    def test_in_a_folder_without_a_model(self):
        self.configure("", "notes.txt")
        self.assertIn("no model file lies in this folder", self.first_words())

    def test_what_it_says_to_begin_with_works(self):
        for names, words in ((["net.pt"], "torchvet check net.pt"), (["a b.pt"], "torchvet check ."),
                             (["-x.pt"], "torchvet check ."), (["\x1b[31m.pt"], "torchvet check ."),
                             (["a.pt", "b.safetensors"], "torchvet check .")):
            with self.subTest(names=names):
                files = [self.model(name, CLEAN) for name in names if not name.endswith("safetensors")]
                files += [self.configure("", name) for name in names if name.endswith("safetensors")]
                said = self.first_words().splitlines()[-1]
                self.assertTrue(said.endswith(f"Begin with: {words}"), said)
                code = self.run_program(*shlex.split(words)[1:]).returncode
                self.assertEqual(code, 0 if len(files) == 1 else 1)
                for file in files:
                    file.unlink()

    def test_a_mistyped_command(self):
        model = self.model("a.pt", CLEAN).name
        for words, said in ((("chek", model), "neither a command nor a file `chek`; did you mean check?"),
                            (("dif", model, "--against", model), "did you mean diff?")):
            self.assertIn(said, self.refused(*words))
        self.model("chek", CLEAN)
        self.expect(0, "chek")
        self.assertIn("drif: could not be read", self.expect(2, "check", "drif"))


if __name__ == "__main__":
    unittest.main()
