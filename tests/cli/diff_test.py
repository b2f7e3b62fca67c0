"""`torchvet diff` says what it compared, and nothing of what it could not read.

usage: diff_test.py TORCHVET
"""

import sys
import unittest

sys.dont_write_bytecode = True
from project import FIXTURES, Case  # noqa: E402

WHOLE = FIXTURES / "CTR001/ok_state.pt"


class Diff(Case):
    def setUp(self):
        super().setUp()
        self.model("whole.pt", WHOLE)
        (self.project / "cut.pt").write_bytes(WHOLE.read_bytes()[:500])

    def test_both_are_artifacts_of_the_report(self):
        report = self.report("whole.pt", "--against", str(WHOLE), verb="diff")
        self.assertEqual((report["outcome"], report["diff"]["compatibility"]), ("pass", "compatible"))
        self.assertEqual({artifact["path"] for artifact in report["artifacts"]}, {"whole.pt", str(WHOLE)})

    def test_a_file_that_cannot_be_read_is_not_compared(self):
        for new, old in (("cut.pt", "whole.pt"), ("whole.pt", "cut.pt")):
            with self.subTest(new=new):
                report = self.report(new, "--against", old, verb="diff")
                self.assertEqual((report["outcome"], report["exit_code"]), ("incomplete", 3))
                self.assertEqual(report["findings"], [])
                self.assertNotIn("diff", report)
                self.assertNotIn("missing", self.expect(3, "diff", new, "--against", old))

    def test_one_that_holds_another_model_is(self):
        report = self.report(str(FIXTURES / "CTR001/bad_other_model.pt"), "--against", "whole.pt",
                             verb="diff")
        self.assertEqual((report["exit_code"], report["diff"]["compatibility"]), (1, "breaking"))


if __name__ == "__main__":
    unittest.main()
