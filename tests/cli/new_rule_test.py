"""scripts/new_rule makes every place of a rule, and scripts/check_tree sees when one is missing.

usage: new_rule_test.py COMPILER BUILD_FOLDER

Works on a small tree of its own: the scripts and one rule.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = sys.argv.pop()
COMPILER = sys.argv.pop()

KEPT = "STO005"
NAME, SUMMARY = "storage-upside-down", "a storage lies upside down"


def run(*command: object, **options) -> subprocess.CompletedProcess:
    return subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=300, **options)


def has_torch(python: str) -> bool:
    return run(python, "-c", "import importlib.util as u, sys; "
                             "sys.exit(not all(map(u.find_spec, ('torch', 'numpy'))))").returncode == 0


class NewRule(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)
        shutil.copytree(ROOT / "scripts", self.root / "scripts",
                        ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("CMakeLists.txt", "CHANGELOG.md", ".gitignore"):
            shutil.copy(ROOT / name, self.root / name)
        lines = (ROOT / "rules/registry.def").read_text().splitlines()
        kept = [line for line in lines if line.startswith("//") or f"({KEPT}," in line]
        self.write("rules/registry.def", "\n".join(kept) + "\n")
        source = next((ROOT / "rules/sto").glob(f"{KEPT}_*.cpp"))
        self.write(f"rules/sto/{source.name}", source.read_text())
        self.write(f"tests/golden/{KEPT}.txt", "")
        self.write("tests/golden/demo.txt", "")
        for folder in (KEPT, "demo", "readers"):
            self.write(f"fixtures/{folder}/recipe.py", "")
        self.stand_in_fixtures(KEPT)
        self.assertEqual(run("git", "init", "-q", cwd=self.root).returncode, 0)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def read(self, name: str) -> str:
        return (self.root / name).read_text()

    def files(self) -> dict[str, bytes]:
        return {str(path.relative_to(self.root)): path.read_bytes()
                for path in self.root.rglob("*")
                if path.is_file() and not {".git", "__pycache__"} & set(path.parts)}

    def stand_in_fixtures(self, code: str) -> None:
        for name in ("bad_first.pt", "ok_first.pt"):
            self.write(f"fixtures/{code}/{name}", "")

    def new_rule(self, *arguments: str) -> subprocess.CompletedProcess:
        return run(sys.executable, self.root / "scripts/new_rule", *arguments)

    def make(self, *arguments: str) -> subprocess.CompletedProcess:
        result = self.new_rule(*arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def check_tree(self) -> list[str]:
        result = run(sys.executable, self.root / "scripts/check_tree")
        self.assertEqual(result.stderr, "")
        problems = result.stdout.splitlines()
        if result.returncode == 0:
            self.assertEqual(problems, ["the tree keeps its promises"])
            return []
        return problems

    def finish_writing(self) -> None:
        for name in ("rules/sto/STO006_storage_upside_down.cpp", "fixtures/STO006/recipe.py"):
            self.write(name, self.read(name).replace("FILL IN", "here stands"))

    def compile(self, source: pathlib.Path) -> subprocess.CompletedProcess:
        rooms = [f"-I{room}" for room in sorted(pathlib.Path(BUILD, "rooms").iterdir())]
        return run(COMPILER, "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", *rooms,
                   source)

    def test_every_place_is_made(self):
        before = self.files()
        result = self.make("STO", NAME, SUMMARY)
        after = self.files()
        self.assertEqual(sorted(set(after) - set(before)), [
            "fixtures/STO006/recipe.py", "rules/sto/STO006_storage_upside_down.cpp",
            "tests/golden/STO006.txt"])
        self.assertEqual({name for name in before if before[name] != after[name]},
                         {"rules/registry.def", "CHANGELOG.md"})
        self.assertIn("RULE(STO005, storage_too_small)\nRULE(STO006, storage_upside_down)\n",
                      self.read("rules/registry.def"))
        source = self.read("rules/sto/STO006_storage_upside_down.cpp")
        for piece in ('.code = "STO006"', f'.name = "{NAME}"', f'.summary = "{SUMMARY}"',
                      "Severity::kError", "Needs::kStructure"):
            self.assertIn(piece, source)
        old, new = (text["CHANGELOG.md"].decode().splitlines() for text in (before, after))
        added = [line for line in new if line not in old]
        self.assertEqual(added, [f"- New rule STO006, {NAME}: {SUMMARY}."])
        at = new.index(added[0])
        self.assertTrue(new[at - 1].startswith(("- ", "  ")), new[at - 1])
        for name in (*sorted(set(after) - set(before)), "rules/registry.def", "CHANGELOG.md",
                     "scripts/make_fixtures.py STO006", "scripts/update_golden STO006"):
            self.assertIn(name, result.stdout)

    def test_the_line_goes_where_it_sorts(self):
        for family in ("ABC", "STO", "ZZZ", "REG"):
            self.make(family, f"{NAME}-{family.lower()}", SUMMARY)
        codes = [line[5:11] for line in self.read("rules/registry.def").splitlines()
                 if line.startswith("RULE(")]
        self.assertEqual(codes, ["ABC001", "REG001", "STO005", "STO006", "ZZZ001"])

    def test_a_number_is_never_used_again(self):
        self.write("rules/registry.def",
                   "// retired: STO006, STO008\n" + self.read("rules/registry.def"))
        self.make("STO", NAME, SUMMARY)
        self.assertIn("RULE(STO009,", self.read("rules/registry.def"))
        for taken in ("STO006", "STO009"):
            self.assertEqual(self.new_rule(taken, "another", SUMMARY).returncode, 2)
        self.make("STO007", "another", SUMMARY)  # set aside, and free

    def test_what_is_made_compiles(self):
        long = "a summary that is so long that it does not fit one line of code, and \"quotes\" " * 3
        for number, (family, options) in enumerate((
                ("STO", ["--severity", "note"]), ("REG", ["--needs", "graph"]),
                ("NUM", ["--needs", "values"]), ("DRF", ["--needs", "series"]))):
            with self.subTest(family=family):
                self.make(family, f"{NAME}-{number}", long.strip(), *options)
                source = next((self.root / f"rules/{family.lower()}").glob(f"*_{number}.cpp"))
                self.assertLessEqual(max(map(len, source.read_text().splitlines())), 100)
                result = self.compile(source)
                self.assertEqual(result.returncode, 0, result.stderr)
        source.write_text(source.read_text().replace("## Limits", "## Limit"))
        self.assertNotEqual(self.compile(source).returncode, 0, "a page without its headings")

    def test_bad_words_change_nothing(self):
        before = self.files()
        for arguments in (("sto", NAME, SUMMARY), ("STOR", NAME, SUMMARY), ("STO", "Upside", SUMMARY),
                          ("STO", "up_side", SUMMARY), ("STO", "storage-too-small", SUMMARY),
                          ("STO", NAME, "a sentence."), ("STO", NAME, ""),
                          ("STO", NAME, "two\nlines"), ("STO005", NAME, SUMMARY),
                          ("STO", NAME, SUMMARY, "--needs", "series"), ("DRF", NAME, SUMMARY),
                          ("STO", NAME, SUMMARY, "--needs", "luck")):
            result = self.new_rule(*arguments)
            self.assertEqual(result.returncode, 2, arguments)
            self.assertNotEqual(result.stderr, "", arguments)
            self.assertEqual(result.stdout, "", arguments)
            self.assertEqual(self.files(), before, arguments)

    def test_check_tree_wants_every_place_and_no_other(self):
        self.assertEqual(self.check_tree(), [])
        self.make("STO", NAME, SUMMARY)
        self.stand_in_fixtures("STO006")
        unwritten = self.check_tree()
        self.assertTrue(unwritten and all("a loose end: FILL IN" in line for line in unwritten))
        self.finish_writing()
        self.assertEqual(self.check_tree(), [])

        for name, complaint in (
                ("rules/sto/STO006_storage_upside_down.cpp", "STO006_storage_upside_down.cpp: missing"),
                ("fixtures/STO006/recipe.py", "fixtures/STO006/recipe.py: missing"),
                ("fixtures/STO006/bad_first.pt", "fixtures/STO006: no bad_*"),
                ("fixtures/STO006/ok_first.pt", "fixtures/STO006: no ok_*"),
                ("tests/golden/STO006.txt", "tests/golden/STO006.txt: missing")):
            with self.subTest(removed=name):
                content = self.read(name)
                (self.root / name).unlink()
                problems = self.check_tree()
                self.assertEqual(len(problems), 1, problems)
                self.assertIn(complaint, problems[0])
                self.write(name, content)

        registry = self.read("rules/registry.def")
        self.write("rules/registry.def",
                   registry.replace("RULE(STO006, storage_upside_down)\n", ""))
        problems = "\n".join(self.check_tree())
        for orphan in ("rules/sto/STO006_storage_upside_down.cpp: a rule that",
                       "fixtures/STO006: the fixtures of no rule",
                       "tests/golden/STO006.txt: the golden output of no rule"):
            self.assertIn(orphan, problems)
        self.write("rules/registry.def", registry)
        self.assertEqual(self.check_tree(), [])

    def test_check_tree_reads_the_registry_closely(self):
        line = "RULE(STO005, storage_too_small)\n"
        registry = self.read("rules/registry.def")
        for text, complaint in (
                (registry + line, "STO005 stands twice"),
                (registry + "RULE(ABC001, a)\n", "ABC001 must stand before STO005"),
                (registry + "RULE(STO006, storage_too_small)\n", "two rules are called"),
                (registry + "// retired: STO004, STO005\n", "STO005 is retired and used"),
                (registry + "RULE(STO6, storage)\n", "not of the form")):
            self.write("rules/registry.def", text)
            self.assertIn(complaint, "\n".join(self.check_tree()))

    def test_check_tree_finds_loose_ends(self):
        for name, text in (("src/a.cpp", "// TODO: later\n"), ("rules/a.h", "// FIXME\n"),
                           ("scripts/a", "# XXX why\n"), ("tests/a.py", "# FILL IN\n")):
            self.write(name, text)
            problems = self.check_tree()
            self.assertEqual(len(problems), 1, problems)
            self.assertTrue(problems[0].startswith(f"{name}:1: a loose end"), problems)
            (self.root / name).unlink()

    def test_the_recipe_runs(self):
        python = os.environ.get("TORCHVET_PYTHON", sys.executable)
        if not has_torch(python):
            self.skipTest("no torch; TORCHVET_PYTHON names a Python that has it")
        for family, options in (("STO", []), ("REG", ["--needs", "graph"]),
                                ("DRF", ["--needs", "series"])):
            self.make(family, f"{NAME}-{family.lower()}", SUMMARY, *options)
        codes = ("STO006", "REG001", "DRF001")
        result = run(python, self.root / "scripts/make_fixtures.py", *codes)
        self.assertEqual(result.returncode, 0, result.stderr)
        for code in codes:
            made = {path.name.partition("_")[0] for path in (self.root / "fixtures" / code).iterdir()}
            self.assertLessEqual({"bad", "ok"}, made, code)


if __name__ == "__main__":
    unittest.main()
