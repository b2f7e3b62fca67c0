"""torchvet.json and the environment: where they are looked for, which of them wins, what is wrong in
them, and `torchvet config`.

usage: config_test.py TORCHVET
"""

import json
import pathlib
import re
import sys
import unittest

sys.dont_write_bytecode = True
from project import CLEAN, ERROR, MODE, SERIES, WARNING, Case  # noqa: E402

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"
BOTH = [("REG009", "error"), ("PKL004", "warning")]


class Layers(Case):
    def setUp(self):
        super().setUp()
        self.model("models/a.pt", ERROR)

    def from_of(self, name: str, *arguments, **variables) -> tuple:
        value = json.loads(self.expect(0, "config", "show", "--json", *arguments, **variables))
        return value["values"][name]["value"], value["values"][name]["from"]

    def test_each_layer_wins_over_those_before(self):
        def fail_on(*arguments, **variables):
            return self.from_of("fail_on", *arguments, **variables)

        self.assertEqual(fail_on(), ("error", ["default"]))
        user = self.configure_user({"fail_on": "never"})
        self.assertEqual(fail_on(), ("never", [f"{user}:2"]))
        self.expect(0, "check", "models")
        self.configure({"version": 1, "fail_on": "error"})
        self.assertEqual(fail_on(), ("error", ["torchvet.json:3"]))
        self.expect(1, "check", "models")
        variable = {"TORCHVET_FAIL_ON": "never"}
        self.assertEqual(fail_on(**variable), ("never", ["TORCHVET_FAIL_ON"]))
        self.expect(0, "check", "models", **variable)
        self.assertEqual(fail_on("--fail-on", "note", **variable), ("note", ["--fail-on"]))
        self.expect(1, "check", "models", "--fail-on", "error", **variable)

    def test_isolated_is_the_command_line_alone(self):
        self.configure_user({"fail_on": "never"})
        self.configure({"select": ["MOD"]})
        self.assertEqual(self.codes("models", "--isolated", TORCHVET_IGNORE="REG"), BOTH)
        self.expect(1, "check", "models", "--isolated", TORCHVET_FIAL_ON="never")
        named = self.configure({"ignore": ["PKL"]}, "other.json")
        self.assertEqual(self.codes("models", "--isolated", "--config", named), BOTH[:1])

    def test_a_named_configuration_takes_the_place_of_the_found_one(self):
        self.configure({"ignore": ["REG"]})
        self.configure({"ignore": ["PKL"]}, "other.json")
        self.assertEqual(self.codes("models"), BOTH[1:])
        self.assertEqual(self.codes("models", "--config", "other.json"), BOTH[:1])
        self.assertEqual(self.codes("models", TORCHVET_CONFIG="other.json"), BOTH[:1])
        self.assertIn("absent.json: No such file", self.refused("check", "models", "--config",
                                                                "absent.json"))

    def test_what_adds_up_and_what_starts_anew(self):
        self.configure_user({"ignore": ["REG009"], "severity": {"PKL004": "note"}})
        self.configure({"severity": {"PKL": "error"}})
        self.assertEqual(self.codes("models"), [("PKL004", "error")])
        self.assertEqual(self.codes("models", "--severity", "PKL004=warning"), BOTH[1:])
        self.assertEqual(self.codes("models", "--ignore", "PKL"), [])
        self.assertEqual(self.codes("models", "--select", "REG009"), BOTH[:1])
        self.assertEqual(self.codes("models", TORCHVET_SELECT="REG009,MOD"), BOTH[:1])
        self.configure({"select": ["REG"], "limits": {"tensors": 7}})
        self.assertEqual(self.codes("models"), BOTH[:1])
        limits = self.report("models", TORCHVET_LIMIT="worker-seconds=9")["run"]["limits"]
        self.assertEqual((limits["tensors"], limits["worker-seconds"]), (7, 9))

    def test_where_it_is_looked_for(self):
        self.configure({"ignore": ["REG"]})
        self.assertEqual(self.codes("a.pt", folder="models"), BOTH[1:])
        self.configure({"ignore": ["PKL"]}, "models/torchvet.json")
        self.assertEqual(self.codes("a.pt", folder="models"), BOTH[:1])   # the next one upwards
        self.assertEqual(self.codes("models/a.pt"), BOTH[1:])             # not where the artifact lies
        self.configure({"ignore": ["ALL"]}, str(self.folder / "torchvet.json"))
        (self.project / "torchvet.json").unlink()
        self.assertEqual(self.codes("models/a.pt"), BOTH)                 # not above the repository
        (self.project / ".git").rmdir()
        self.assertEqual(self.codes("../project/models/a.pt"), BOTH)      # nor without one above here

    def test_the_users_directory(self):
        elsewhere = self.folder / "xdg"
        self.configure({"ignore": ["REG"]}, str(elsewhere / "torchvet/torchvet.json"))
        self.configure_user({"ignore": ["PKL"]})
        self.assertEqual(self.codes("models"), BOTH[:1])
        self.assertEqual(self.codes("models", XDG_CONFIG_HOME=str(elsewhere)), BOTH[1:])
        self.assertEqual(self.codes("models", XDG_CONFIG_HOME="relative"), BOTH[:1])

    def test_reports_name_the_files(self):
        self.configure({"ignore": ["ALL"], "select": ["PKL004"]})
        self.assertIn("with torchvet.json: passed", self.expect(0, "check", "models"))
        self.assertEqual(self.report("models")["run"]["config"], ["torchvet.json"])
        self.assertNotIn("config", self.report("models", "--isolated")["run"])


class Environment(Case):
    def setUp(self):
        super().setUp()
        self.model("a.pt", ERROR)

    def test_switches_texts_and_lists(self):
        self.assertEqual(self.expect(1, "check", "a.pt", TORCHVET_QUIET="1").count("\n"), 2)
        self.assertEqual(self.expect(1, "check", "a.pt", TORCHVET_QUIET="Yes").count("\n"), 2)
        self.assertGreater(self.expect(1, "check", "a.pt", TORCHVET_QUIET="off").count("\n"), 2)
        self.assertGreater(self.expect(1, "check", "a.pt", TORCHVET_QUIET="").count("\n"), 2)
        self.expect(0, "check", "a.pt", TORCHVET_IGNORE="REG009,PKL")
        report = json.loads(self.expect(1, "check", "a.pt", TORCHVET_REPORT="json"))
        self.assertEqual(report["exit_code"], 1)
        self.assertIn("FAILED", self.expect(1, "check", "a.pt", "--report", "text",
                                            TORCHVET_JSON="true"))

    def test_what_is_wrong(self):
        for variables, message in (
                ({"TORCHVET_FIAL_ON": "note"}, "TORCHVET_FIAL_ON is none of this program; did you "
                                               "mean TORCHVET_FAIL_ON?"),
                ({"TORCHVET_QUIET": "maybe"}, "TORCHVET_QUIET: `maybe` is neither true nor false"),
                ({"TORCHVET_FAIL_ON": "eror"}, "TORCHVET_FAIL_ON: `eror` is none of note, warning, "
                                               "error, never; did you mean error?"),
                ({"TORCHVET_SELECT": "REG01"}, "no rule, family or name `REG01`; did you mean")):
            self.assertIn(message, self.refused("check", "a.pt", **variables))

    def test_what_is_none_of_its_business(self):
        for name in ("TORCHVET_HELP", "TORCHVET_VERSION", "TORCHVET_PYTHON", "TORCHVET_IDLE",
                     "TORCHVET_ZOO_PYTHON"):
            self.expect(1, "check", "a.pt", **{name: "1"})
        self.expect(0, "version", TORCHVET_FIAL_ON="note")

    def test_every_flag_has_its_variable(self):
        shown = json.loads(self.expect(0, "config", "show", "--json"))["values"]
        flags = set(re.findall(r"(?m)^  (?:-\w, )?--([a-z-]+)", self.expect(0, "check", "--help")))
        others = {"fail_on": "note", "min_confidence": "high", "for": "training", "show": "error",
                  "color": "never", "progress": "never", "severity": "REG=note", "report": "json",
                  "limits": "tensors=5", "select": "REG", "ignore": "REG", "extend_select": "REG"}
        files = {"baseline", "config", "suppressions"}
        self.assertEqual({name.replace("_", "-") for name in shown} - {"limits"},
                         flags - {"help", "limit"})
        for name in sorted(shown.keys() - files - {"isolated"}):
            value = others.get(name, "1" if isinstance(shown[name]["value"], bool) else "7")
            variable = "TORCHVET_" + {"limits": "limit"}.get(name, name).upper()
            told = json.loads(self.expect(0, "config", "show", "--format", "json",
                                          **{variable: value}))
            self.assertEqual(told["values"][name]["from"], [variable], name)


class Faults(Case):
    def test_each_is_named_with_its_line(self):
        for text, message in (
                ('{\n"selct": []}', "torchvet.json:2: unknown key `selct`; did you mean select?"),
                ('{\n\n"select": ["REG01"]}', "torchvet.json:3: select: no rule, family or name "
                                              "`REG01`; did you mean REG001?"),
                ('{"select": "REG"}', "torchvet.json:1: select: it must be a list of texts"),
                ('{"select": [3]}', "torchvet.json:1: select: it must be a text"),
                ('{\n"fail_on":\n"eror"}', "torchvet.json:3: fail_on: `eror` is none of note, warning, "
                                           "error, never; did you mean error?"),
                ('{"for": 3}', "torchvet.json:1: for: it must be a text"),
                ('{"target_device": " "}', "torchvet.json:1: target_device: it must not be empty"),
                ('{"target_torch": "two"}', "`two` is no version like 2.9"),
                ('{"version": 2}', "torchvet.json:1: version: this torchvet reads version 1"),
                ('{"severity": {"REG002": "fatal"}}', "`fatal` is none of note, warning, error"),
                ('{"severity": {"REG2": "note"}}', "no rule, family or name `REG2`; did you mean REG"),
                ('{"limits": {"tensor": 1}}', "no limit `tensor`; did you mean tensors?"),
                ('{"limits": {"tensors": -1}}', "tensors must be a whole number"),
                ('{"limits": 3}', "limits: it must be an object"),
                ('{"options": {"REG002": {\n"depth": 3}}}',
                 "torchvet.json:2: options: REG002: unknown key `depth`"),
                ('{"options": {"REG9": {}}}', "options: no rule `REG9`"),
                ('{"paths": [{"select": []}]}', "paths: `match` is missing"),
                ('{"paths": [{"match": "x", "ingore": []}]}', "unknown key `ingore`; did you mean ignore?"),
                ('{"suppressions": [\n{"code": "REG002", "artifact": "x"}]}',
                 "torchvet.json:2: suppressions: `reason` is missing"),
                ('{"suppressions": [{"code": "REG", "artifact": "x", "reason": "y"}]}', "no rule `REG`"),
                ('{"select": [],\n "select": []}', "torchvet.json:2: key `select` stands twice"),
                ('{"select": [}', "torchvet.json:1: syntax error"),
                ("", "torchvet.json:1: syntax error"),
                ("[]", "torchvet.json:1: it must be an object"),
                ("[" * 100, "torchvet.json:1: more than 16 levels"),
                (json.dumps({str(i): 1 for i in range(10_001)}), "more than 10000 keys in one object")):
            with self.subTest(text=text):
                self.configure(text)
                self.assertIn(message, self.refused("config", "check"))
                self.assertIn(message, self.refused("check", self.model("a.pt", CLEAN)))

    def test_all_of_them_at_once_but_no_more_than_twenty(self):
        self.configure({"selct": [], "fail_on": "eror", "limits": {"tensor": 1}})
        self.assertEqual(self.refused("config", "check").count("\n"), 3)
        self.configure({"ignore": ["REG01"] * 100})
        self.assertEqual(self.refused("config", "check").count("\n"), 20)

    def test_texts_of_files_are_escaped(self):
        self.configure('{"\\u001b[31m\\u202e": 1}')
        self.assertIn("unknown key `\\x1b[31m\\u202e`", self.refused("config", "check"))


class Paths(Case):
    def test_other_rules_for_some_files(self):
        self.model("models/a.pt", ERROR)
        self.model("models/old/b.pt", ERROR)
        self.configure({"paths": [{"match": "models/old/*", "ignore": ["PKL"],
                                   "severity": {"REG009": "note"}}]})
        found = [(f["location"]["artifact"], f["code"], f["severity"])
                 for f in self.report("models")["findings"]]
        self.assertEqual(found, [("models/a.pt", "REG009", "error"), ("models/a.pt", "PKL004", "warning"),
                                 ("models/old/b.pt", "REG009", "note")])
        self.assertEqual(self.codes("old/b.pt", folder="models"), [("REG009", "note")])
        self.assertEqual(self.codes("models/old/b.pt", "--severity", "REG=warning"),
                         [("REG009", "warning")])
        self.assertEqual(self.codes("models/old/b.pt", "--select", "PKL"), BOTH[1:])
        self.configure({"select": ["REG"], "paths": [{"match": "b.pt", "select": ["PKL"]}]})
        self.assertEqual(self.codes("models"), BOTH)

    def test_a_series(self):
        for checkpoint in SERIES.iterdir():
            self.model(f"run/{checkpoint.name}", checkpoint)
        self.assertEqual(self.codes("run", verb="drift"), [("DRF001", "warning")])
        self.configure({"paths": [{"match": "run/*", "severity": {"DRF001": "error"}}]})
        self.assertEqual(self.codes("run", verb="drift"), [("DRF001", "error")])
        self.configure({"paths": [{"match": "step_400.pt", "ignore": ["DRF001"]}]})
        self.assertEqual(self.codes("run", verb="drift"), [])

    def test_the_name_of_an_artifact(self):
        def prints(*arguments):
            report = self.report(*arguments)
            return report["artifacts"][0]["id"], [f["fingerprint"] for f in report["findings"]]

        self.model("out/2026-01-01/a.pt", ERROR)
        self.model("out/2026-02-02/a.pt", ERROR)
        self.assertNotEqual(prints("out/2026-01-01"), prints("out/2026-02-02"))
        self.assertEqual(prints("out/2026-01-01", "--artifact-id", "a"),
                         prints("out/2026-02-02", "--artifact-id", "a"))
        self.configure({"paths": [{"match": "out/*/a.pt", "artifact_id": "a"}]})
        self.assertEqual(prints("out/2026-01-01")[0], "a")
        self.assertEqual(prints("out/2026-01-01"), prints("out/2026-02-02"))
        self.assertIn("a would be both out/2026-01-01/a.pt and out/2026-02-02/a.pt",
                      self.refused("check", "out"))

    def test_logical_paths_are_relative_to_the_repository(self):
        path = self.model("models/a.pt", ERROR)
        for folder, name in ((".", "models/a.pt"), ("models", "a.pt"), ("models", "../models/a.pt"),
                             ("models", path)):
            self.assertEqual(self.report(name, folder=folder)["artifacts"][0]["id"], "models/a.pt")


class Commands(Case):
    def test_init_writes_what_it_can_read(self):
        self.expect(0, "config", "init")
        file = self.project / "torchvet.json"
        text = file.read_text()
        self.assertIn("nothing is wrong", self.expect(0, "config", "check"))
        self.assertIn("torchvet.json is there already", self.refused("config", "init"))
        self.assertEqual(file.read_text(), text)
        file.write_text(re.sub(r'(?m)^  // (?=")', "  ", text))   # each example, taken in
        self.assertIn("nothing is wrong", self.expect(0, "config", "check"))
        values = json.loads(self.expect(0, "config", "show", "--json"))
        for key in ("select", "ignore", "severity", "fail_on", "for", "target_device", "target_torch",
                    "limits"):
            self.assertRegex(values["values"][key]["from"][0], r"^torchvet\.json:\d+$")
        self.assertEqual((len(values["paths"]), len(values["suppressions"])), (1, 1))

    def test_check(self):
        self.assertIn("no torchvet.json here", self.refused("config", "check"))
        self.configure({}, "good.json")
        self.configure({"selct": []}, "bad.json")
        self.assertEqual(self.expect(0, "config", "check", "good.json"), "good.json: nothing is wrong\n")
        result = self.run_program("config", "check", "good.json", "bad.json")
        self.assertEqual((result.returncode, result.stdout), (2, "good.json: nothing is wrong\n"))
        self.assertIn("bad.json:2: unknown key", result.stderr)

    def test_show(self):
        self.configure('{"select": ["REG",\n"MOD"],\n"paths": [{"match": "a*", "ignore": ["REG"]}]}')
        text = self.expect(0, "config", "show", "--fail-on", "note")
        for line in ("select +REG +torchvet.json:1", "select +MOD +torchvet.json:2",
                     "fail_on +note +--fail-on", "min_confidence +low +default",
                     "paths +a\\*; ignore REG +torchvet.json:3", "file +torchvet.json +read"):
            self.assertRegex(text, rf"(?m)^{line}$")

    def test_why(self):
        self.configure('{"ignore": ["REG"],\n"severity": {"MOD": "note"},\n'
                       '"paths": [{"match": "old.pt", "ignore": ["MOD001"]}]}')
        for arguments, expected in (
                (["REG002"], "does not run: left out by `REG` (torchvet.json:1), although selected by "
                             "`ALL` (default)"),
                (["REG002", "--select", "REG002"], "runs: selected by `REG002` (--select)"),
                (["REG002", "--extend-select", "REG002"],
                 "runs: selected by `REG002` (--extend-select), narrower than what leaves it out, `REG` "
                 "(torchvet.json:1)"),
                (["MOD001"], "severity: note (torchvet.json:2)"),
                (["MOD001"], "for some files: old.pt; ignore MOD001 (torchvet.json:3)"),
                (["training-mode", "old.pt"], "does not run: left out by `MOD001` (torchvet.json:3)"),
                (["MOD001", "new.pt"], "runs: selected by `ALL` (default)"),
                (["NUM001", "--no-values"], "does not run: it reads weights, and no_values is set "
                                            "(--no-values)"),
                (["VER003"], "does not run: it is in preview"),
                (["VER003", "--preview"], "runs: selected by `ALL` (default)"),
                (["DRF001"], "runs: selected by `ALL` (default); in `torchvet drift`"),
                (["MOD001", "--select", "NUM"], "does not run: nothing selects it")):
            self.assertIn(expected, self.expect(0, "config", "why", *arguments), arguments)
        self.assertIn("did you mean REG?", self.refused("config", "why", "REG0"))

    def test_preview(self):
        self.model("c.pt", MODE)
        self.assertEqual(self.codes("c.pt", "--select", "VER"), [])
        self.assertEqual(self.codes("c.pt", "--select", "VER", "--preview"), [("VER003", "note")])
        self.assertEqual(self.codes("c.pt", "--select", "VER003"), [("VER003", "note")])

    def test_what_is_missing(self):
        for arguments, message in ((["config"], "show, check, why, init or schema"),
                                   (["config", "shwo"], "did you mean show?"),
                                   (["config", "why"], "which rule?"),
                                   (["config", "why", "REG002", "a", "b"], "one file")):
            self.assertIn(message, self.refused(*arguments))

    def test_other_verbs_take_what_they_know(self):
        self.model("a.pt", CLEAN)
        self.configure({"select": ["REG"], "limits": {"pickle-opcodes": 3}})
        self.assertIn("pickle-opcodes", self.expect(3, "inspect", "a.pt"))
        self.expect(0, "rules")
        self.expect(1, "check", self.model("b.pt", WARNING), "--select", "ALL", "--fail-on", "warning",
                    "--limit", "pickle-opcodes=1000")


class Readme(Case):
    """The examples of README.md do what they say."""

    def setUp(self):
        super().setUp()
        text = README.read_text()
        section = text[text.index("## Configuration"):text.index("## In CI")]
        self.file, = re.findall(r"```json\n(.*?)```", section, re.DOTALL)
        self.commands = [line.split("#")[0].split() for block in
                         re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
                         for line in block.splitlines()]
        self.model("models/encoder.pt", ERROR)
        self.model("models/old/a.pt", CLEAN)

    def test_the_file(self):
        self.configure(self.file)
        self.assertEqual(self.expect(0, "config", "check"), "torchvet.json: nothing is wrong\n")
        report = self.report("models")
        self.assertEqual([(f["code"], f["status"]) for f in report["findings"]],
                         [("REG009", "suppressed"), ("PKL004", "new")])
        self.assertEqual(report["exit_code"], 1)

    def test_the_commands(self):
        self.configure(self.file)
        self.assertEqual(len(self.commands), 8)
        for words in self.commands:
            variables = dict(word.split("=") for word in words[:words.index("torchvet")])
            self.expect(0, *words[words.index("torchvet") + 1:], **variables)


if __name__ == "__main__":
    unittest.main()
