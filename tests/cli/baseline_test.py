"""`torchvet baseline` and `--baseline`: what was there before does not count, what is new does, and
what is gone is said.

usage: baseline_test.py TORCHVET
"""

import json
import os
import re
import sys
import unittest

sys.dont_write_bytecode = True
from project import CLEAN, ERROR, FIXTURES, MODE, SERIES, WARNING, Case  # noqa: E402

BASE = ["--baseline", "base.json"]


class Baseline(Case):
    def setUp(self):
        super().setUp()
        self.model("models/a.pt", ERROR)
        self.model("models/b.pt", WARNING)

    def entries(self, name: str = "base.json") -> list[dict]:
        return json.loads((self.project / name).read_text())["entries"]

    def write(self, *arguments) -> None:
        self.expect(0, "baseline", "write", *(arguments or ["models"]), *BASE)

    def test_only_new_findings_count(self):
        self.assertEqual(self.expect(0, "baseline", "write", "models", *BASE),
                         "base.json: 3 findings of 2 artifacts accepted\n")
        text = self.expect(0, "check", "models", "--fail-on", "note", *BASE)
        self.assertRegex(text, r"^no findings, 3 baselined in 2 artifacts .*: passed\n$")
        shown = self.expect(0, "check", "models", "--show-suppressed", "-q", *BASE)
        self.assertIn("models/a.pt: REG009 error (baselined): module", shown)
        report = self.report("models", *BASE)
        self.assertEqual({f["status"] for f in report["findings"]}, {"baselined"})
        self.assertEqual(report["summary"]["baselined"], 3)
        self.assertEqual(report["baseline"], {"file": "base.json", "entries": 3, "used": 3, "stale": []})

        self.model("models/c.pt", ERROR)
        text = self.expect(1, "check", "models", *BASE)
        self.assertRegex(text, r"1 error, 1 warning, 3 baselined in 3 artifacts .*: FAILED")
        self.assertEqual({f["location"]["artifact"] for f in self.report("models", *BASE)["findings"]
                          if f["status"] == "new"}, {"models/c.pt"})
        self.expect(0, "check", "models", TORCHVET_BASELINE="base.json", TORCHVET_FAIL_ON="never")

    def test_the_file_is_sorted_and_the_same_each_time(self):
        self.write("models/b.pt", "models/a.pt")
        text = (self.project / "base.json").read_text()
        lines = [line for line in text.splitlines() if "fingerprint" in line]
        self.assertEqual([re.findall(r'"(models/..pt|[A-Z]{3}\d{3})"', line) for line in lines],
                         [["models/a.pt", "PKL004"], ["models/a.pt", "REG009"],
                          ["models/b.pt", "PKL004"]])
        fingerprints = {f["fingerprint"] for f in self.report("models")["findings"]}
        self.assertEqual({entry["fingerprint"] for entry in self.entries()}, fingerprints)
        self.expect(0, "baseline", "write", "models", *BASE, "-j", "1")
        self.assertEqual((self.project / "base.json").read_text(), text)
        self.assertEqual(sorted(os.listdir(self.project)), [".git", "base.json", "models"])
        self.expect(0, "check", "models", *BASE)
        self.expect(0, "check", "a.pt", "--baseline", "../base.json", folder="models")

    def test_a_stale_entry_is_said_and_pruned(self):
        self.write()
        self.model("models/a.pt", CLEAN)
        stale = ("torchvet: note: base.json: stale, its finding is gone: PKL004 in models/a.pt\n"
                 "torchvet: note: base.json: stale, its finding is gone: REG009 in models/a.pt, encoder\n"
                 "torchvet: note: base.json: 2 stale entries; `torchvet baseline prune` removes them\n")
        self.expect(0, "check", "models", *BASE, stderr=stale)
        report = self.report("models", *BASE)["baseline"]
        self.assertEqual((report["entries"], report["used"], len(report["stale"])), (3, 1, 2))
        # Nothing is stale that was not looked at.
        for arguments in (["models/b.pt"], ["models", "--select", "NUM,STO"]):
            self.expect(0, "check", *arguments, *BASE)
            self.assertEqual(self.expect(0, "baseline", "prune", *arguments, *BASE),
                             "base.json: 0 stale entries removed, 3 kept\n")
        self.assertEqual(self.expect(0, "baseline", "prune", "models", *BASE),
                         "base.json: 2 stale entries removed, 1 kept\n")
        self.assertEqual([entry["artifact"] for entry in self.entries()], ["models/b.pt"])
        self.expect(0, "check", "models", *BASE)

    def test_what_was_not_analysed_is_not_stale(self):
        self.write()
        result = self.run_program("check", "models", "--limit", "pickle-opcodes=3", *BASE)
        self.assertEqual((result.returncode, result.stderr), (3, ""))
        self.assertEqual(self.run_program("baseline", "prune", "models", "--limit", "pickle-opcodes=3",
                                          *BASE).returncode, 3)
        self.assertEqual(len(self.entries()), 3)

    def test_entries_of_files_that_are_gone_are_pruned(self):
        self.model("other/c.pt", ERROR)
        self.write(".")
        (self.project / "models/a.pt").unlink()
        (self.project / "other/c.pt").unlink()
        self.assertEqual(self.expect(0, "baseline", "prune", "models", *BASE),
                         "base.json: 2 stale entries removed, 3 kept\n")
        self.assertEqual({entry["artifact"] for entry in self.entries()}, {"models/b.pt", "other/c.pt"})
        self.expect(0, "baseline", "prune", ".", *BASE)
        self.assertEqual({entry["artifact"] for entry in self.entries()}, {"models/b.pt"})

    def test_suppressed_findings_stay_out_of_it(self):
        self.configure({"suppressions": [{"code": "REG009", "artifact": "a.pt", "reason": "known"}]})
        self.write()
        self.assertEqual([entry["code"] for entry in self.entries()], ["PKL004", "PKL004"])
        text = self.expect(0, "check", "models", *BASE)
        self.assertIn("no findings, 1 suppressed, 2 baselined in 2 artifacts", text)

    def test_other_numbers_and_severities_stay_known(self):
        self.write()
        self.expect(0, "check", "models", "--severity", "PKL=error", *BASE)

    def test_a_series(self):
        for checkpoint in SERIES.iterdir():
            self.model(f"run/{checkpoint.name}", checkpoint)
        self.expect(1, "drift", "run", "--fail-on", "warning")
        self.expect(0, "baseline", "write", "--series", "run", *BASE)
        self.assertEqual([entry["code"] for entry in self.entries()], ["DRF001"])
        self.assertIn("1 baselined", self.expect(0, "drift", "run", "--fail-on", "warning", *BASE))
        self.expect(0, "check", "run", *BASE)   # its rules did not run here, so nothing is stale

    def test_a_pair(self):
        self.model("old.pt", FIXTURES / "CTR001/ok_state.pt")
        self.model("new.pt", FIXTURES / "CTR001/bad_layer_gone.pt")
        pair = ["new.pt", "--against", "old.pt"]
        text = self.expect(1, "diff", *pair)
        self.expect(0, "baseline", "write", *pair, *BASE)
        self.assertEqual({entry["code"] for entry in self.entries()}, {"CTR001", "CTR004"})
        self.assertIn(f"{len(self.entries())} baselined", self.expect(0, "diff", *pair, *BASE))
        self.assertIn("breaking", text)
        self.model("new.pt", FIXTURES / "CTR001/ok_state.pt")
        self.expect(0, "baseline", "prune", *pair, *BASE)
        self.assertEqual(self.entries(), [])

    def test_what_is_wrong(self):
        before = (self.project / "models/a.pt").read_bytes()
        self.configure({"version": 1, "entries": [{"code": "X"}]}, "half.json")
        self.configure({"version": 2, "entries": []}, "newer.json")
        for arguments, message in (
                (["baseline"], "`write` or `prune`"),
                (["baseline", "wirte", "models", *BASE], "did you mean write?"),
                (["baseline", "write", "models"], "which file? --baseline FILE"),
                (["baseline", "write", "models", "--series", "--against", "x", *BASE], "not both"),
                (["baseline", "write", "a.pt", "b.pt", "--against", "x", *BASE], "one file is compared"),
                (["baseline", "write", *BASE], "no path given"),
                (["baseline", "prune", "models", *BASE], "base.json: No such file"),
                (["baseline", "write", "models", "--baseline", "models/a.pt"], "models/a.pt:1: syntax"),
                (["baseline", "write", "models", "--baseline", "half.json"], "`fingerprint` is missing"),
                (["check", "models", *BASE], "base.json: No such file"),
                (["check", "models", "--baseline", "half.json"], "half.json:4: entries: `artifact` is "
                                                                 "missing"),
                (["check", "models", "--baseline", "newer.json"], "this torchvet reads version 1"),
                (["baseline", "write", "models", "absent.pt", *BASE], "absent.pt: could not be read"),
                (["baseline", "write", "models", "--baseline", "absent/b.json"], "cannot write absent/b")):
            self.assertIn(message, self.refused(*arguments), arguments)
        self.assertEqual((self.project / "models/a.pt").read_bytes(), before)
        self.assertFalse((self.project / "base.json").exists())

    def test_an_incomplete_run_says_so(self):
        (self.project / "models/u.pt").write_bytes(b"\x10\0\0\0PTMF\0\0\0\0")  # not read yet
        result = self.run_program("baseline", "write", "models", *BASE)
        self.assertEqual(result.returncode, 3)
        self.assertIn("models/u.pt: not analysed: ", result.stderr)
        self.assertEqual(len(self.entries()), 3)
        self.assertEqual(self.run_program("baseline", "write", "models", "--allow-incomplete",
                                          *BASE).returncode, 0)

    def test_hostile_names_stay_on_their_line(self):
        self.model("models/a\n\x1b[31m\u202e.pt", MODE.parents[1] / "REG009/bad_child.pt")
        (self.project / "models" / os.fsdecode(b"\xff.pt")).write_bytes(ERROR.read_bytes())
        self.write()
        self.assertEqual(len(self.entries()), 7)
        text = (self.project / "base.json").read_text()
        self.assertEqual(text.count("\n"), 3 + 7 + 2)
        self.assertNotIn("\x1b", text)
        self.expect(0, "check", "models", *BASE)


if __name__ == "__main__":
    unittest.main()
