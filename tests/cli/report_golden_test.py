"""Every report format of one set of findings stands in tests/report, word for word; a report made
from the JSON report is the one that the run itself writes; and the number of threads and the time of
the run change nothing.

usage: report_golden_test.py TORCHVET            compare
       report_golden_test.py TORCHVET --update   write tests/report anew; read the difference
"""

import json
import pathlib
import shutil
import sys
import unittest

sys.dont_write_bytecode = True
from findings import Findings, formats, stored  # noqa: E402
from project import FIXTURES  # noqa: E402

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "report"
UPDATE = "--update" in sys.argv
# The page has tests of its own.
PAGE = "html"


class Golden(Findings):
    maxDiff = None

    def compare(self, verb: str, reports: dict[str, bytes]) -> None:
        for name, content in reports.items():
            if name == PAGE:
                continue
            file = GOLDEN / f"{verb}.{name}"
            if UPDATE:
                GOLDEN.mkdir(exist_ok=True)
                file.write_bytes(content)
                continue
            with self.subTest(file=file.name):
                self.assertTrue(file.is_file(), "report_golden_test.py TORCHVET --update")
                self.assertEqual(content.decode(), file.read_text())

    def test_check(self):
        self.compare("check", self.check())

    def test_drift(self):
        self.compare("drift", self.drift())

    def test_diff(self):
        self.compare("diff", self.diff())

    def test_the_set_has_a_finding_of_every_sort(self):
        report = json.loads(self.check()["json"])
        self.assertEqual({finding["severity"] for finding in report["findings"]},
                         {"error", "warning", "note"})
        self.assertEqual({finding["status"] for finding in report["findings"]},
                         {"new", "suppressed", "baselined"})
        self.assertTrue(any(artifact["gaps"] for artifact in report["artifacts"]))
        self.assertTrue(any(artifact["unseen"] for artifact in report["artifacts"]))
        self.assertIn(b"{0..1}", self.check()["text"])
        self.assertTrue(json.loads(self.drift()["json"])["series"]["tensors"])
        self.assertEqual({change["change"] for change in json.loads(self.diff()["json"])["diff"]["changes"]},
                         {"missing", "unexpected", "shape", "dtype"})

    def test_no_golden_file_is_left_over(self):
        wanted = {f"{verb}.{name}" for verb in ("check", "diff", "drift") for name in formats()
                  if name != PAGE}
        if not UPDATE:
            self.assertEqual({path.name for path in GOLDEN.iterdir()}, wanted)


class Same(Findings):
    def compare(self, first: dict[str, bytes], second: dict[str, bytes]) -> None:
        self.assertEqual(list(first), list(second))
        for name, content in first.items():
            self.assertEqual(content.decode(), second[name].decode(), name)

    def compare_stored(self, first: dict[str, bytes], second: dict[str, bytes]) -> None:
        self.compare({name: stored(name, content) for name, content in first.items()},
                     {name: stored(name, content) for name, content in second.items()})

    def test_a_converted_report_is_that_of_the_run(self):
        for run in (self.check, self.drift, self.diff):
            for options in ((), ("--show-suppressed", "-v"), ("--show", "error", "--statistics")):
                reports = run(*options)
                self.compare_stored(reports, self.convert(reports["json"], *options))

    def test_so_is_one_with_times(self):
        """Times differ from run to run, but not between a run's reports."""
        reports = self.written(1, "check", "models")
        self.assertIn("duration_ms", json.loads(reports["json"])["run"])
        self.compare_stored(reports, self.convert(reports["json"]))
        self.assertEqual(self.convert(reports["json"], "--reproducible")["text"].count(b" s)"), 0)

    def test_threads_and_runs(self):
        """The command line stands in some reports, so the number of threads is given beside it."""
        for folder in ("demo", "REG002", "NUM001", "FMT001", "STO002", "PKL001"):
            shutil.copytree(FIXTURES / folder, self.project / "models" / folder)
        shutil.copytree(FIXTURES / "DRF006/bad_nan", self.project / "bad")
        for code, arguments in ((1, ("check", "models")), (0, ("drift", "run")), (1, ("drift", "bad")),
                                (1, ("diff", "new.safetensors", "--against", "old.safetensors"))):
            runs = []
            for jobs in ("1", "8", "8"):
                self.variables = {"TORCHVET_JOBS": jobs}
                runs.append(self.written(code, *arguments, "--reproducible"))
            self.compare(runs[0], runs[1])
            self.compare(runs[1], runs[2])


if __name__ == "__main__":
    sys.argv = [argument for argument in sys.argv if argument != "--update"]
    unittest.main()
