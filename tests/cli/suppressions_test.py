"""Suppressions: what they accept, what they do not, and what is said of those that are of no use.

usage: suppressions_test.py TORCHVET
"""

import datetime
import hashlib
import json
import sys
import unittest

sys.dont_write_bytecode = True
from project import CLEAN, ERROR, FIXTURES, SERIES, Case  # noqa: E402

REASON = "the encoder is made by hand"


class Suppressions(Case):
    def setUp(self):
        super().setUp()
        self.path = self.model("models/a.pt", ERROR)
        self.model("models/b.pt", CLEAN)

    def suppress(self, **fields) -> dict:
        """A configuration whose only suppression is one that fits, but for `fields`."""
        entry = {"code": "REG009", "artifact": "models/a.pt", "reason": REASON} | fields
        self.configure({"suppressions": [{key: value for key, value in entry.items() if value}]})
        return entry

    def statuses(self, *arguments, **options) -> dict[str, str]:
        return {f["code"]: f["status"] for f in self.report(*arguments, **options)["findings"]}

    def state(self, *arguments, **options) -> str:
        return self.report(*arguments, **options)["suppressions"][0]["state"]

    def test_a_suppressed_finding_does_not_count_but_is_there(self):
        self.expect(1, "check", "models")
        self.suppress()
        text = self.expect(0, "check", "models")
        self.assertNotIn("REG009", text)
        self.assertRegex(text, r"1 warning, 1 suppressed in 2 artifacts .*passed")
        report = self.report("models")
        self.assertEqual((report["outcome"], report["exit_code"]), ("pass", 0))
        self.assertEqual((report["summary"]["error"], report["summary"]["suppressed"]), (0, 1))
        first, second = report["findings"]
        self.assertEqual((first["code"], first["status"], first["reason"]),
                         ("REG009", "suppressed", REASON))
        self.assertEqual((second["code"], second["status"]), ("PKL004", "new"))
        self.assertEqual(report["suppressions"], [
            {"code": "REG009", "artifact": "models/a.pt", "reason": REASON,
             "origin": "torchvet.json:3", "state": "used", "findings": 1}])

    def test_showing_it(self):
        self.suppress()
        text = self.expect(0, "check", "models", "--show-suppressed")
        self.assertIn("models/a.pt: REG009 error (suppressed): module `encoder`", text)
        self.assertIn(f"  ok   suppressed: {REASON}\n", text)
        quiet = self.expect(0, "check", "models", "-q", "--show-suppressed")
        self.assertIn("REG009 error (suppressed)", quiet)
        self.assertNotIn("REG009", self.expect(0, "check", "models", "-q"))
        self.assertNotIn("REG009  ", self.expect(0, "check", "models", "--statistics"))

    def test_what_it_fits(self):
        for fields, fits in (({"artifact": "*.pt"}, True), ({"artifact": "models/*"}, True),
                             ({"artifact": "a.pt"}, True), ({"artifact": "b.pt"}, False),
                             ({"artifact": "old/*"}, False), ({"artifact": "./models/a.pt"}, False),
                             ({"object_path": "encoder"}, True), ({"object_path": "enc*"}, True),
                             ({"object_path": "coder"}, False), ({"code": "REG008"}, False),
                             ({"owner": "me", "expires": "2999-12-31"}, True)):
            with self.subTest(fields=fields):
                self.suppress(**fields)
                self.assertEqual(self.statuses("models")["REG009"], "suppressed" if fits else "new")
        self.suppress()
        self.assertEqual(self.statuses("a.pt", folder="models")["REG009"], "suppressed")
        self.assertEqual(self.statuses(self.path)["REG009"], "suppressed")

    def test_one_that_is_not_needed(self):
        self.suppress(code="REG008")
        self.expect(1, "check", "models", stderr="torchvet: note: torchvet.json:3: the suppression of "
                    "REG008 in models/a.pt is not needed: there is no such finding\n")
        self.assertEqual(self.state("models"), "unused")
        # It says nothing where it was not tried.
        for arguments in (["models/b.pt"], ["models", "--select", "PKL"],
                          ["models", "--limit", "pickle-opcodes=3"]):
            self.assertEqual(self.run_program("check", *arguments).stderr, "")
            self.assertEqual(self.state(*arguments), "untried")

    def test_one_that_expired(self):
        today = datetime.datetime.now(datetime.timezone.utc).date()
        self.suppress(expires=str(today))
        self.expect(0, "check", "models")
        past = str(today - datetime.timedelta(days=2))
        self.suppress(expires=past)
        self.expect(1, "check", "models", stderr="torchvet: note: torchvet.json:3: the suppression of "
                    f"REG009 in models/a.pt expired on {past} and suppresses nothing\n")
        self.assertEqual(self.state("models"), "expired")
        self.assertEqual(self.statuses("models")["REG009"], "new")

    def test_one_for_a_certain_file(self):
        digest = hashlib.sha256(self.path.read_bytes()).hexdigest()
        self.suppress(sha256=digest)
        report = self.report("models")
        self.assertEqual(report["findings"][0]["status"], "suppressed")
        self.assertEqual([a.get("sha256") for a in report["artifacts"]], [digest, None])
        with open(self.path, "ab") as file:
            file.write(b"\0")
        self.expect(1, "check", "models", stderr="torchvet: note: torchvet.json:3: the suppression of "
                    "REG009 in models/a.pt suppresses nothing: the file is not the one with that "
                    "sha256\n")
        self.assertEqual(self.state("models"), "other-sha256")

    def test_a_wrong_one_is_an_error_of_the_configuration(self):
        for fields, message in (({"reason": None}, "`reason` is missing: a suppression says why"),
                                ({"reason": "  "}, "reason: it must not be empty"),
                                ({"artifact": None}, "`artifact` is missing"),
                                ({"code": None}, "`code` is missing"),
                                ({"code": "REG"}, "no rule `REG`"),
                                ({"expires": "soon"}, "`soon` is no day like 2026-01-31"),
                                ({"expires": "2026-02-30"}, "`2026-02-30` is no day"),
                                ({"sha256": "abc"}, "`abc` is no sha256"),
                                ({"expire": "2999-01-01"}, "unknown key `expire`; did you mean expires?")):
            with self.subTest(fields=fields):
                self.suppress(**fields)
                self.assertIn(message, self.refused("check", "models"))

    def test_files_and_none(self):
        accepted = {"suppressions": [{"code": "REG009", "artifact": "a.pt", "reason": REASON}]}
        self.configure(accepted, "accepted.json")
        self.expect(1, "check", "models")
        self.expect(0, "check", "models", "--suppressions", "accepted.json")
        self.expect(0, "check", "models", "--suppressions", "accepted.json", "--isolated")
        self.expect(0, "check", "models", TORCHVET_SUPPRESSIONS="accepted.json")
        self.assertIn("absent.json: No such", self.refused("check", "models", "--suppressions",
                                                           "absent.json"))
        self.configure({"ignore": ["REG"]}, "more.json")
        self.assertIn("no key but `suppressions`", self.refused("check", "models", "--suppressions",
                                                                "more.json"))
        self.suppress()
        self.expect(0, "check", "models")
        self.expect(1, "check", "models", "--no-suppressions")
        self.expect(1, "check", "models", "--isolated")
        self.configure_user(accepted)
        self.configure({})
        self.expect(0, "check", "models")

    def test_nothing_beside_an_artifact_can_silence_it(self):
        content = json.dumps({"ignore": ["ALL"], "suppressions": [
            {"code": "REG009", "artifact": "*", "reason": REASON}]})
        for name in ("models/torchvet.json", "models/.torchvet.json", "models/config.json"):
            self.configure(content, name)
        self.expect(1, "check", "models")
        self.expect(1, "check", "models/a.pt")

    def test_a_hostile_reason_is_escaped(self):
        self.suppress(reason="\x1b[31m\u202e::error::")
        text = self.expect(0, "check", "models", "--show-suppressed")
        self.assertIn("suppressed: \\x1b[31m\\u202e::error::\n", text)

    def test_a_series(self):
        for checkpoint in SERIES.iterdir():
            self.model(f"run/{checkpoint.name}", checkpoint)
        self.expect(1, "drift", "run", "--fail-on", "warning")
        self.suppress(code="DRF001", artifact="run/*", object_path="middle")
        text = self.expect(0, "drift", "run", "--fail-on", "warning")
        self.assertIn("no findings, 1 suppressed in 5 artifacts", text)
        newest = hashlib.sha256((self.project / "run/step_400.pt").read_bytes()).hexdigest()
        self.suppress(code="DRF001", artifact="run/step_400.pt", sha256=newest)
        self.expect(0, "drift", "run", "--fail-on", "warning")

    def test_only_findings_of_one_kind_are_merged_in_the_text(self):
        self.model("models/c.pt", FIXTURES / "REG008/bad_parameter_list.pt")
        self.assertIn("`gains[{0..1}]`", self.expect(1, "check", "models"))
        self.suppress(code="REG008", artifact="c.pt", object_path="gains\\[0\\]")
        self.assertIn("`gains[1]`", self.expect(1, "check", "models"))
        shown = self.expect(1, "check", "models", "--show-suppressed")
        self.assertIn("REG008 warning (suppressed): ", shown)
        self.assertNotIn("{0..1}", shown)


if __name__ == "__main__":
    unittest.main()
