"""Reports against the schemas of their formats: our JSON against rules/report.schema.json, both ways, and
by `torchvet convert` in the same way; SARIF against the standard's schema and against what code scanning
asks beyond it; GitLab's against its documentation; JUnit's against what its readers need.

usage: report_schema_test.py TORCHVET     needs the package jsonschema; skipped (77) without it
"""

import copy
import json
import pathlib
import re
import sys
import unittest
import xml.etree.ElementTree as ElementTree

sys.dont_write_bytecode = True
from findings import Findings  # noqa: E402
from packages import needed  # noqa: E402

jsonschema = needed("jsonschema", "jsonschema")
ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "tests/schemas"


def strict(schema: dict) -> dict:
    """The same schema, which in addition allows no field that it does not name."""
    schema = {key: strict(value) if isinstance(value, dict) else value for key, value in schema.items()}
    if "required" in schema and isinstance(schema["required"], list):
        schema["additionalProperties"] = False
    return schema


def places(value, path=()):
    """Every value in a report, by the keys that lead to it; of a list the first item alone."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*path, key))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*path, 0))


def holder(report: dict, path: tuple):
    for key in path[:-1]:
        report = report[key]
    return report


class JsonReport(Findings):
    def setUp(self):
        super().setUp()
        self.schema = json.loads((ROOT / "rules/report.schema.json").read_text())
        jsonschema.Draft202012Validator.check_schema(self.schema)
        self.validator = jsonschema.Draft202012Validator(self.schema)
        self.strict = jsonschema.Draft202012Validator(strict(self.schema))
        (self.project / "empty").mkdir()
        (self.project / "empty/README.md").write_text("no model")
        self.reports = [json.loads(self.check()["json"]), json.loads(self.drift()["json"]),
                        json.loads(self.diff()["json"]), json.loads(self.written(1, "check", "models", "--digest")["json"]),
                        self.report("missing.pt", "models/error.pt"), self.report("--allow-empty", "empty")]

    def refused_by_convert(self, report: dict) -> str:
        (self.project / "changed.json").write_text(json.dumps(report))
        return self.refused("convert", "changed.json")

    def test_the_program_prints_it(self):
        self.assertEqual(json.loads(self.expect(0, "convert", "--schema")), self.schema)

    def test_every_report_fits_and_has_no_other_field(self):
        for report in self.reports:
            self.validator.validate(report)
            self.strict.validate(report)

    def test_every_field_of_the_schema_is_in_some_report(self):
        def named(schema: dict, path: str = "") -> set[str]:
            found = {f"{path}.{key}" for key in schema.get("properties", {})}
            for key, value in schema.get("properties", {}).items():
                found |= named(value, f"{path}.{key}")
            return found | (named(schema["items"], path) if "items" in schema else set())

        seen = {"." + ".".join(str(key) for key in path if key != 0)
                for report in self.reports for path in self.every_place(report)}
        rare = {".findings.location.source", ".series.tensors.marked_in", ".series.tensors.infinite_in",
                ".series.intervals.median_infinite"}
        missing = {path for path in named(self.schema) - seen
                   if not path.startswith(tuple(rare | {".suppressions", ".baseline", ".diff"}))}
        self.assertEqual(missing, set())

    @staticmethod
    def every_place(value, path=()):
        if path:
            yield path
        for key, item in (value.items() if isinstance(value, dict)
                          else ((0, item) for item in value) if isinstance(value, list) else ()):
            yield from JsonReport.every_place(item, (*path, key))

    def test_a_field_that_is_missing_or_called_otherwise_does_not_fit(self):
        for report in self.reports[:2]:
            for path in places(report):
                if not isinstance(path[-1], str):
                    continue
                changed = copy.deepcopy(report)
                owner = holder(changed, path)
                owner[path[-1] + "_"] = owner.pop(path[-1])
                self.assertFalse(self.strict.is_valid(changed), path)
                if not self.validator.is_valid(changed):  # a field that must be there
                    self.refused_by_convert(changed)

    def test_a_value_of_another_type_does_not_fit(self):
        for report in self.reports[:2]:
            for path in places(report):
                changed = copy.deepcopy(report)
                value = holder(changed, path)[path[-1]]
                others = [[], {}, "text\n", -1, 1.5, True, None]
                for other in others:
                    if isinstance(other, type(value)) and other is not True and other != "text\n":
                        continue
                    holder(changed, path)[path[-1]] = other
                    if self.validator.is_valid(changed):
                        continue
                    said = self.refused_by_convert(changed)
                    place = re.sub(r"\.(\d+)", r"[\1]", ".".join(map(str, path)))
                    if path != ("schema_version",):
                        self.assertIn(f"changed.json: {place}", said)

    def test_most_values_are_held_to_a_type(self):
        """The loop above must not pass because the schema allows anything."""
        report = self.reports[0]
        for path, other in ((("summary", "error"), "1"), (("findings", 0, "code"), "reg009"),
                            (("findings", 0, "fingerprint"), "abc"), (("outcome",), "good"),
                            (("artifacts", 0, "gaps"), None), (("exit_code",), 4),
                            (("run", "limits", "tensors"), -1), (("findings", 0, "evidence"), {})):
            changed = copy.deepcopy(report)
            holder(changed, path)[path[-1]] = other
            self.assertFalse(self.validator.is_valid(changed), path)


class Sarif(Findings):
    def setUp(self):
        super().setUp()
        # Draft 4 has no format "uri-reference"; what it says of formats is not checked here.
        self.validator = jsonschema.Draft4Validator(
            json.loads((SCHEMAS / "sarif-2.1.0.json").read_text()))

    def run_of(self, reports: dict[str, bytes]) -> dict:
        log = json.loads(reports["sarif"])
        self.validator.validate(log)
        self.assertEqual((log["version"], len(log["runs"])), ("2.1.0", 1))
        return log["runs"][0]

    def test_it_fits_the_schema_and_lists_what_the_json_report_does(self):
        absent = self.written(2, "diff", "absent.pt", "--against", "old.safetensors")
        for reports, category in ((self.check(), "check"), (self.drift(), "drift"), (self.diff(), "diff"),
                                  (absent, "diff")):
            run, report = self.run_of(reports), json.loads(reports["json"])
            self.assertEqual(run["automationDetails"]["id"], f"torchvet/{category}/")
            self.assertEqual([rule["id"] for rule in run["tool"]["driver"]["rules"]],
                             [rule["code"] for rule in report["rules"]])
            self.assertEqual(sorted(result["partialFingerprints"]["primaryLocationLineHash"]
                                    for result in run["results"]),
                             sorted(finding["fingerprint"] for finding in report["findings"]))

    def test_what_code_scanning_asks(self):
        run = self.run_of(self.check())
        rules = run["tool"]["driver"]["rules"]
        for rule in rules:
            self.assertLessEqual(len(rule["name"]), 255)
            for text in ("shortDescription", "fullDescription"):
                self.assertIn(len(rule[text]["text"]), range(1, 1025))
            self.assertIn("## What it does", rule["help"]["markdown"])
            self.assertTrue(rule["help"]["text"])
            self.assertIn(rule["properties"]["precision"], ("very-high", "high", "medium", "low"))
            self.assertIn(rule["properties"]["problem.severity"], ("error", "warning", "recommendation"))
            self.assertEqual("security-severity" in rule["properties"], rule["id"].startswith("PKL"))
            if rule["id"].startswith("PKL"):
                self.assertIn(float(rule["properties"]["security-severity"]), (8.8, 5.5, 2.0))
                self.assertIsInstance(rule["properties"]["security-severity"], str)
        self.assertEqual([result["level"] for result in run["results"]
                          if "suppressions" not in result],
                         sorted((result["level"] for result in run["results"]
                                 if "suppressions" not in result),
                                key=["error", "warning", "note"].index))
        for result in run["results"]:
            self.assertEqual(rules[result["ruleIndex"]]["id"], result["ruleId"])
            location = result["locations"][0]["physicalLocation"]
            self.assertEqual(location["region"]["startLine"], 1)
            self.assertRegex(location["artifactLocation"]["uri"], r"^models/\w+\.pt$")
            artifact = run["artifacts"][location["artifactLocation"]["index"]]
            self.assertEqual(artifact["location"]["uri"], location["artifactLocation"]["uri"])
            self.assertTrue(result["message"]["text"])
            self.assertNotRegex(result["message"]["text"], r"(?<!\\)(?:\\\\)*[\[\]]")
        accepted = {result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]:
                    result["suppressions"] for result in run["results"] if "suppressions" in result}
        self.assertEqual(set(accepted), {"models/accepted.pt", "models/known.pt"})
        self.assertEqual(accepted["models/accepted.pt"][0]["justification"],
                         "made by us [and | only] for us")
        states = {result["baselineState"] for result in run["results"]}
        self.assertEqual(states, {"new", "unchanged"})

    def test_gaps_are_notifications(self):
        run = self.run_of(self.check())
        said = run["invocations"][0]["toolExecutionNotifications"]
        gaps = [one for one in said if one["descriptor"]["id"] == "not-analysed"]
        self.assertEqual([one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
                          for one in gaps], ["models/cut.pt"])
        kinds = {one["id"] for one in run["tool"]["driver"]["notifications"]}
        self.assertLessEqual({one["descriptor"]["id"] for one in said}, kinds)
        self.assertTrue(run["invocations"][0]["executionSuccessful"])
        only_gaps = self.run_of(self.written(3, "check", "models/cut.pt", "--ignore", "FMT"))
        self.assertFalse(only_gaps["invocations"][0]["executionSuccessful"])
        unread = self.run_of(self.written(2, "check", "missing.pt"))
        self.assertEqual([one["level"] for one in
                          unread["invocations"][0]["toolExecutionNotifications"]], ["error"])

    def test_no_more_results_than_are_taken(self):
        report = json.loads(self.check()["json"])
        error = next(f for f in report["findings"] if f["severity"] == "error")
        note = next(f for f in report["findings"] if f["severity"] == "note")
        report["findings"] = ([dict(note, fingerprint=f"{i:032x}") for i in range(4990)]
                              + [dict(error, fingerprint=f"{i + 5000:032x}") for i in range(20)])
        report["summary"] |= {"error": 20, "warning": 0, "note": 4990, "suppressed": 0, "baselined": 0}
        run = self.run_of(self.convert(report))
        self.assertEqual(len(run["results"]), 5000)
        self.assertEqual(sum(result["level"] == "error" for result in run["results"]), 20)
        self.assertIn("10 of 5010 results are left out", run["invocations"][0][
            "toolExecutionNotifications"][-1]["message"]["text"])


class Others(Findings):
    def test_gitlab(self):
        validator = jsonschema.Draft202012Validator(
            json.loads((SCHEMAS / "gitlab-code-quality.json").read_text()))
        for reports in (self.check(), self.drift(), self.diff(), self.written(2, "check", "missing.pt")):
            issues, report = json.loads(reports["gitlab"]), json.loads(reports["json"])
            validator.validate(issues)
            prints = [issue["fingerprint"] for issue in issues]
            self.assertEqual(len(prints), len(set(prints)))
            new = [finding["fingerprint"] for finding in report["findings"] if finding["status"] == "new"]
            gaps = sum(len(a["gaps"]) + ("error" in a) for a in report["artifacts"])
            self.assertEqual((prints[:len(new)], len(prints)), (new, len(new) + gaps))

    def cases(self, suite: ElementTree.Element) -> dict[str, str]:
        """What became of each case."""
        return {case.get("name"): next((child.tag for child in case if child.tag != "system-out"), "passed")
                for case in suite}

    def test_junit(self):
        for reports, gate in ((self.check(), "error"), (self.check("--fail-on", "note"), "note"),
                              (self.drift(), "error"), (self.diff(), "error")):
            root, report = ElementTree.fromstring(reports["junit"]), json.loads(reports["json"])
            self.assertEqual(root.tag, "testsuites")
            rules = {rule["code"]: f"{rule['code']} {rule['name']}" for rule in report["rules"]}
            suites = {suite.get("name"): suite for suite in root}
            self.assertEqual(list(suites), [artifact["path"] for artifact in report["artifacts"]])
            gating = ["note", "warning", "error"][["note", "warning", "error"].index(gate):]
            for artifact in report["artifacts"]:
                suite = suites[artifact["path"]]
                cases = self.cases(suite)
                failed = {rules[f["code"]] for f in report["findings"] if f["status"] == "new"
                          and f["severity"] in gating and f["location"]["artifact"] == artifact["path"]}
                skipped = {rules[code] for skip in artifact["skipped"] for code in skip["codes"]
                           if code in rules}
                self.assertEqual({name for name, what in cases.items() if what == "failure"}, failed)
                self.assertEqual({name for name, what in cases.items() if what == "skipped"}, skipped)
                self.assertEqual(sum(case.find("error") is not None for case in suite),
                                 len(artifact["gaps"]))
                self.assertEqual({name for name in cases if name in rules.values()}, set(rules.values()))
            for tag, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
                self.assertEqual(int(root.get(attribute)), len(root.findall(f".//{tag}")))
            self.assertEqual(int(root.get("tests")), len(root.findall(".//testcase")))

    def test_junit_of_what_was_not_looked_at_is_not_green(self):
        for code, path in ((2, "missing.pt"), (3, "models/mode.pt")):
            reports = self.written(code, "check", path, "--timeout", "0" if code == 3 else "60")
            root = ElementTree.fromstring(reports["junit"])
            outcomes = list(self.cases(root[0]).values())
            self.assertEqual(outcomes.count("error"), 1)
            self.assertEqual(outcomes.count("skipped"), len(outcomes) - 1)

    def test_what_a_rule_found_it_was_not_skipped_for(self):
        """All fixtures of rules about one artifact; the others are series."""
        names = sorted(path.name for path in (ROOT / "fixtures").iterdir()
                       if path.is_dir() and not path.name.startswith("DRF"))
        report = self.report(*(ROOT / "fixtures" / name for name in names), "--isolated", "--preview")
        skipped = {(artifact["path"], code) for artifact in report["artifacts"]
                   for skip in artifact["skipped"] for code in skip["codes"]}
        found = {(f["location"]["artifact"], f["code"]) for f in report["findings"]}
        self.assertEqual(found & skipped, set())
        self.assertGreater(len(found), 100)
        self.assertGreater(len(skipped), 1000)


if __name__ == "__main__":
    unittest.main()
