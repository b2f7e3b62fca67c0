"""rules/config.schema.json is what the program prints, is a schema, and says of each file in a table
what the program says.

usage: config_schema_test.py TORCHVET
"""

import json
import pathlib
import re
import sys
import unittest

sys.dont_write_bytecode = True
from packages import needed  # noqa: E402
from project import TORCHVET, Case  # noqa: E402

jsonschema = needed("jsonschema", "jsonschema")
SCHEMA = pathlib.Path(__file__).resolve().parents[2] / "rules/config.schema.json"
FITS = {"code": "REG002", "artifact": "a.pt", "reason": "known"}

GOOD = [
    {},
    {"version": 1},
    {"version": 1.0},
    {"$schema": ""},
    {"select": []},
    {"select": ["ALL", "REG", "REG002", "parameter-created-in-forward"], "ignore": ["VER003"]},
    {"severity": {}},
    {"severity": {"REG": "note", "MOD001": "error", "training-mode": "warning"}},
    *({"fail_on": level} for level in ("note", "warning", "error", "never")),
    *({"for": purpose} for purpose in ("inference", "training", "resume")),
    {"target_device": "cuda:1"},
    {"target_torch": "2.9"},
    {"target_torch": "2.13.0"},
    {"limits": {"tensors": 0, "worker-seconds": 18446744073709551615}},
    {"limits": {"tensors": 5.0}},
    {"paths": []},
    {"paths": [{"match": "a/*"}]},
    {"paths": [{"match": "a", "select": ["REG"], "ignore": [], "severity": {"REG": "note"},
                "artifact_id": "x"}]},
    {"options": {}},
    {"options": {"REG002": {}}},
    {"suppressions": []},
    {"suppressions": [FITS, FITS | {"object_path": "l.*", "sha256": "0" * 64, "expires": "2028-02-29",
                                    "owner": "me"}]},
]
BAD = [
    [], 3, "text", None, True,
    {"selct": []}, {"Select": []}, {"": 1},
    {"version": 2}, {"version": "1"}, {"version": True}, {"version": None},
    {"$schema": 1},
    {"select": "REG"}, {"select": ["REG02"]}, {"select": ["reg002"]}, {"select": [1]}, {"select": {}},
    {"select": None}, {"ignore": [["REG"]]},
    {"severity": {"REG": "never"}}, {"severity": {"REGG": "note"}}, {"severity": {"REG": 1}},
    {"severity": ["REG=note"]},
    {"fail_on": "eror"}, {"fail_on": 1}, {"fail_on": None}, {"for": "fun"}, {"for": ["resume"]},
    {"target_device": ""}, {"target_device": " \t"}, {"target_device": 1},
    {"target_torch": "2"}, {"target_torch": "2."}, {"target_torch": ".9"}, {"target_torch": "2..9"},
    {"target_torch": "2.9a"}, {"target_torch": 2.9},
    {"limits": {"tensor": 1}}, {"limits": {"tensors": -1}}, {"limits": {"tensors": 1.5}},
    {"limits": {"tensors": "1"}}, {"limits": {"tensors": True}}, {"limits": []}, {"limits": 1},
    {"paths": {}}, {"paths": [{}]}, {"paths": [{"match": ""}]}, {"paths": [{"match": 1}]},
    {"paths": [{"match": "a", "fail_on": "note"}]}, {"paths": [{"match": "a", "select": "REG"}]},
    {"paths": ["a"]}, {"paths": [{"match": "a", "artifact_id": ""}]},
    {"options": {"REG002": {"depth": 1}}}, {"options": {"REG02": {}}}, {"options": {"REG002": 1}},
    {"options": {"REG": {}}}, {"options": []},
    *({"suppressions": [{key: value for key, value in FITS.items() if key != left}]} for left in FITS),
    *({"suppressions": [FITS | {key: ""}]} for key in FITS),
    *({"suppressions": [FITS | wrong]} for wrong in (
        {"code": "REG"}, {"code": "parameter-created-in-forward"}, {"reason": " "}, {"reason": 1},
        {"object_path": ""}, {"sha256": "0" * 63}, {"sha256": "A" * 64}, {"expires": "2026-02-30"},
        {"expires": "2026-1-1"}, {"expires": "0000-01-01"}, {"expires": "20260101"},
        {"expires": 20260101}, {"owner": ""}, {"until": "2026-01-01"})),
    {"suppressions": FITS}, {"suppressions": ["REG002"]},
]


class Schema(Case):
    def setUp(self):
        super().setUp()
        self.schema = json.loads(SCHEMA.read_text())
        self.validator = jsonschema.Draft202012Validator(
            self.schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)

    def taken(self, content) -> bool:
        self.configure(content)
        result = self.run_program("config", "check", "torchvet.json")
        self.assertIn(result.returncode, (0, 2), result.stderr)
        return result.returncode == 0

    def test_it_is_what_the_program_prints(self):
        self.assertEqual(self.expect(0, "config", "schema"), SCHEMA.read_text(),
                         f"run: {TORCHVET} config schema > rules/config.schema.json")
        jsonschema.Draft202012Validator.check_schema(self.schema)

    def test_both_agree_on_every_file(self):
        for files, good in ((GOOD, True), (BAD, False)):
            for content in files:
                with self.subTest(content=content):
                    self.assertEqual(self.validator.is_valid(content), good, "the schema")
                    self.assertEqual(self.taken(content), good, "the program")

    def test_every_key_is_in_the_table(self):
        def keys(schema: dict, name: str = "") -> set[str]:
            found = set()
            for key, value in schema.get("properties", {}).items():
                if name != "limits.":
                    found |= {name + key} | keys(value, key + ".") | keys(value.get("items", {}), key + ".")
            return found

        used = set()
        for content in GOOD:
            for key, value in content.items():
                used.add(key)
                if key in ("paths", "suppressions"):
                    used |= {f"{key}.{field}" for entry in value for field in entry}
        self.assertEqual(keys(self.schema), used)

    def test_a_first_configuration_fits(self):
        self.expect(0, "config", "init")
        text = (self.project / "torchvet.json").read_text()
        for content in (re.sub(r"(?m)^ *//.*$", "", text),
                        re.sub(r"(?m)^ *//.*$", "", re.sub(r'(?m)^  // (?=")', "  ", text))):
            self.validator.validate(json.loads(content))


if __name__ == "__main__":
    unittest.main()
