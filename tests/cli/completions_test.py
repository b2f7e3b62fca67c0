"""Completions offer every option of each command, the values that an option takes, and the rules.

The scripts are read and held against the help; then each shell that is installed is asked: bash by
calling the function, fish by `complete -C`, zsh in a pseudo-terminal of its own (zpty).

usage: completions_test.py TORCHVET
"""

import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
from project import TORCHVET, Case  # noqa: E402

LISTS = {"--what": "summary members tensors modules graph optimizer pickle loaders"}


class Completions(Case):
    @classmethod
    def setUpClass(cls):
        def output(*arguments: str) -> str:
            return subprocess.run([TORCHVET, *arguments], capture_output=True, text=True, check=True,
                                  timeout=60).stdout

        cls.scripts = {shell: output("completions", shell) for shell in ("bash", "zsh", "fish")}
        commands = output("help").split("Commands:\n")[1].split("\n\n")[0]
        cls.verbs = re.findall(r"(?m)^  ([a-z]+)", commands)
        cls.options = {}
        for verb in cls.verbs:
            text = output("help", verb)
            cls.options[verb] = set(re.findall(r"(?m)^  (?:-\w, )?(--[a-z-]+)", text)) | set(
                re.findall(r"(?m)^  (-\w), --", text))
        cls.rules = [line.split()[0] for line in output("rules").splitlines()
                     if re.match(r"[A-Z]{3}\d{3} ", line)]

    def setUp(self):
        super().setUp()
        self.model("model.pt", pathlib.Path(__file__))
        for shell, text in self.scripts.items():
            self.configure(text, f"_torchvet.{shell}")

    def test_the_table_is_read(self):
        self.assertIn("--fail-on", self.options["check"])
        self.assertIn("-q", self.options["check"])
        self.assertIn("CTR001", self.rules)

    # --- what stands in the scripts ---------------------------------------------------------------

    def test_every_option_stands_in_each_script(self):
        for verb in self.verbs:
            if verb == "help":
                continue
            with self.subTest(verb=verb, shell="bash"):
                flags = re.search(rf'(?m)^    {verb}\) flags="([^"]*)"', self.scripts["bash"])
                self.assertEqual(set(flags[1].split()), self.options[verb])
            with self.subTest(verb=verb, shell="zsh"):
                part = re.search(rf"(?ms)^    {verb}\)$(.*?);;$", self.scripts["zsh"])
                self.assertEqual(set(re.findall(r"(?m)^        '\*(-[\w-]*?)[=+]?\[", part[1])),
                                 self.options[verb])
            with self.subTest(verb=verb, shell="fish"):
                found = set()
                for line in self.scripts["fish"].splitlines():
                    words = shlex.split(line)
                    if "-l" not in words or not self.is_for(verb, words[words.index("-n") + 1]):
                        continue
                    found.add("--" + words[words.index("-l") + 1])
                    if "-s" in words:
                        found.add("-" + words[words.index("-s") + 1])
                self.assertEqual(found, self.options[verb])

    def is_for(self, verb: str, condition: str) -> bool:
        negated, words = condition.startswith("not "), condition.split()
        return (verb not in words and verb == "check") if negated else words[-1] == verb

    # --- bash -------------------------------------------------------------------------------------

    def bash(self, *words: str) -> list[str]:
        """What bash offers for the last of the words, which it has taken apart at equals signs."""
        script = ('source ./_torchvet.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _torchvet\n'
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        run = subprocess.run(["bash", "--norc", "-c", script, "bash", "torchvet", *words],
                             capture_output=True, text=True, cwd=self.project, timeout=60, check=True)
        self.assertEqual(run.stderr, "")
        return run.stdout.split()

    def test_bash_options(self):
        for verb in self.verbs:
            if verb == "help":
                continue
            self.assertEqual(set(self.bash(verb, "-")), self.options[verb], verb)
        self.assertEqual(set(self.bash("model.pt", "-")), self.options["check"])
        self.assertLessEqual(self.options["check"] | {"--version"}, set(self.bash("-")))
        self.assertEqual(self.bash("drift", "--follow-"), ["--follow-symlinks"])

    def test_bash_values(self):
        self.assertEqual(self.bash("check", "--fail-on", ""), ["note", "warning", "error", "never"])
        self.assertEqual(self.bash("check", "--fail-on", "=", "w"), ["warning"])
        self.assertEqual(self.bash("check", "--fail-on", "="), ["note", "warning", "error", "never"])
        self.assertEqual(self.bash("model.pt", "--fail-on", "n"), ["note", "never"])
        self.assertEqual(self.bash("inspect", "--format", ""), ["text", "json", "dot"])
        self.assertEqual(self.bash("rules", "--format", ""), ["text", "json"])
        self.assertEqual(self.bash("inspect", "--what", "tensors,mo"), ["tensors,modules"])
        self.assertLessEqual({"ALL", "CTR", "CTR001", "unexpected-tensor"},
                             set(self.bash("check", "--select", "")))
        self.assertEqual(self.bash("check", "--select", "REG,CTR00"),
                         [f"REG,{code}" for code in self.rules if code.startswith("CTR00")])
        self.assertEqual(self.bash("check", "--severity", "CTR001"), ["CTR001="])
        self.assertEqual(self.bash("check", "--severity", "CTR001", "=", "w"), ["warning"])
        self.assertEqual(self.bash("check", "--severity", "=", "CTR001", "=", ""),
                         ["note", "warning", "error"])
        self.assertEqual(self.bash("check", "--limit", "worker-s"), ["worker-seconds="])
        self.assertEqual(self.bash("check", "--report", "sar"), ["sarif"])
        self.assertIn("model.pt", self.bash("check", "--report", "json", "=", "mod"))
        self.assertIn("model.pt", self.bash("check", "--report", "=", "json", "=", "mod"))
        self.assertEqual(self.bash("check", "--stdin-name", ""), [])
        self.assertIn("model.pt", self.bash("check", "--expect", ""))
        self.assertIn("model.pt", self.bash("diff", "model.pt", "--against", ""))

    def test_bash_words(self):
        self.assertLessEqual({*self.verbs, "model.pt"}, set(self.bash("")))
        self.assertEqual(self.bash("model."), ["model.pt"])
        self.assertEqual(set(self.bash("explain", "CTR00")), {c for c in self.rules if c.startswith("CTR")})
        self.assertLessEqual({"write", "prune"}, set(self.bash("baseline", "")))
        self.assertNotIn("write", self.bash("baseline", "write", ""))
        self.assertEqual(self.bash("completions", "z"), ["zsh"])
        self.assertEqual(self.bash("config", "why", "CTR001"), ["CTR001"])
        self.assertIn("drift", self.bash("help", ""))

    # --- fish -------------------------------------------------------------------------------------

    def fish(self, line: str) -> list[str]:
        run = subprocess.run(["fish", "--no-config", "-c",
                              f"source ./_torchvet.fish; complete -C {shlex.quote(line)}"],
                             capture_output=True, text=True, cwd=self.project, timeout=60,
                             env=self.environment(), check=True)
        self.assertEqual(run.stderr, "")
        return [offered.split("\t")[0] for offered in run.stdout.splitlines()]

    @unittest.skipUnless(shutil.which("fish"), "fish is not installed")
    def test_fish(self):
        for verb in self.verbs:
            if verb == "help":
                continue
            found = set(self.fish(f"torchvet {verb} -"))
            self.assertEqual({option for option in found if option.startswith("--")},
                             {option for option in self.options[verb] if option.startswith("--")}, verb)
        self.assertLessEqual({"--fail-on", "--select"}, set(self.fish("torchvet model.pt --")))
        self.assertLessEqual({*self.verbs, "model.pt"}, set(self.fish("torchvet ")))
        self.assertEqual(sorted(self.fish("torchvet check --fail-on ")),
                         ["error", "never", "note", "warning"])
        self.assertEqual(self.fish("torchvet check --fail-on=w"), ["--fail-on=warning"])
        self.assertEqual(set(self.fish("torchvet inspect --what tensors,mo")), {"tensors,modules"})
        self.assertIn("REG,CTR001", self.fish("torchvet check --select REG,CTR00"))
        self.assertIn("CTR001=", self.fish("torchvet check --severity CTR00"))
        self.assertIn("CTR001", self.fish("torchvet explain CTR00"))
        self.assertIn("model.pt", self.fish("torchvet check --expect mod"))
        self.assertEqual(self.fish("torchvet check --stdin-name "), [])
        self.assertIn("sarif", self.fish("torchvet check --report "))
        self.assertIn("zsh", self.fish("torchvet completions "))

    # --- zsh --------------------------------------------------------------------------------------

    def zsh(self, line: str) -> str:
        """What a zsh in a pseudo-terminal shows after the line and a tab."""
        script = r"""
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z 'PS1=; PROMPT=; unsetopt zle_bracketed_paste; LISTMAX=0; TERM=dumb'
zpty -w z 'autoload -Uz compinit; compinit -u -D; fpath=(. $fpath)'
zpty -w z 'autoload -Uz _torchvet; source ./_torchvet.zsh 2>/dev/null; compdef _torchvet torchvet'
zpty -w z 'zstyle ":completion:*" list-prompt ""; zstyle ":completion:*" menu no'
zpty -w z 'bindkey "^I" complete-word; print READY'
zpty -r z heard '*READY*READY*'
zpty -n -w z "$1"$'\t'
sleep 1
zpty -n -w z $'\x15'
zpty -w z $'print D''ONE'
zpty -r z heard '*DONE*'
print -r -- "$heard"
"""
        run = subprocess.run(["zsh", "-f", "-c", script, "zsh", line], capture_output=True, text=True,
                             cwd=self.project, timeout=60, env=self.environment(TERM="dumb"),
                             check=False)
        return run.stdout

    @unittest.skipUnless(shutil.which("zsh"), "zsh is not installed")
    def test_zsh(self):
        run = subprocess.run(["zsh", "-n", "_torchvet.zsh"], capture_output=True, text=True,
                             cwd=self.project, timeout=60, check=False)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertIn("worker-seconds", self.zsh("torchvet check --limit "))


if __name__ == "__main__":
    unittest.main()
