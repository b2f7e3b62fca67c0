"""rules/expect.schema.json says of each contract in a table what the program says.

usage: expect_schema_test.py TORCHVET
"""

import json
import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
from packages import needed  # noqa: E402
from project import CLEAN, Case  # noqa: E402

jsonschema = needed("jsonschema", "jsonschema")
SCHEMA = pathlib.Path(__file__).resolve().parents[2] / "rules/expect.schema.json"

GOOD = [
    {"parameters": 0},
    {"parameters": 5.0},
    {"version": 1, "parameters": 124439808, "$schema": ""},
    {"tensors": {"a": []}},
    {"tensors": {"a": [1, None, "*", 3.0]}, "version": 1.0},
    {"tensors": {"a": {}}},
    {"tensors": {"a": {"shape": [4]}, "b": {"dtype": "float32"}}},
    {"tensors": {"a.b": {"shape": [], "dtype": "float8_e4m3fn"}}, "parameters": 1},
    {"tensors": {"a": [0] * 64}},
]
BAD = [
    [], 3, "text", None, True, {},
    {"version": 1}, {"version": 2, "parameters": 1}, {"version": "1", "parameters": 1},
    {"version": True, "parameters": 1}, {"version": None, "parameters": 1},
    {"$schema": 1, "parameters": 1},
    {"parameter": 1}, {"parameters": -1}, {"parameters": 1.5}, {"parameters": "1"},
    {"parameters": None}, {"parameters": True}, {"parameters": [1]},
    {"tensors": {}}, {"tensors": None}, {"tensors": 1}, {"tensors": "a"},
    {"tensors": {"": [1]}},
    {"tensors": {"a": None}}, {"tensors": {"a": 1}}, {"tensors": {"a": "*"}},
    {"tensors": {"a": [-1]}}, {"tensors": {"a": [1.5]}}, {"tensors": {"a": ["4"]}},
    {"tensors": {"a": ["any"]}}, {"tensors": {"a": [[1]]}}, {"tensors": {"a": [True]}},
    {"tensors": {"a": [0] * 65}},
    {"tensors": {"a": {"shape": None}}}, {"tensors": {"a": {"shape": "*"}}},
    {"tensors": {"a": {"dtype": "torch.float32"}}}, {"tensors": {"a": {"dtype": "float"}}},
    {"tensors": {"a": {"dtype": None}}}, {"tensors": {"a": {"dtype": "unknown"}}},
    {"tensors": {"a": {"shapes": [1]}}}, {"tensors": {"a": {"shape": [1], "device": "cpu"}}},
]


class Schema(Case):
    def setUp(self):
        super().setUp()
        self.schema = json.loads(SCHEMA.read_text())
        self.validator = jsonschema.Draft202012Validator(self.schema)

    def taken(self, content) -> bool:
        self.configure(content, "contract.json")
        result = self.run_program("check", CLEAN, "--expect", "contract.json")
        refused = result.returncode == 2
        self.assertEqual(refused, "contract.json: " in result.stderr, result.stderr)
        return not refused

    def test_it_is_a_schema(self):
        jsonschema.Draft202012Validator.check_schema(self.schema)

    def test_both_agree_on_every_contract(self):
        for contracts, good in ((GOOD, True), (BAD, False)):
            for content in contracts:
                with self.subTest(content=content):
                    self.assertEqual(self.validator.is_valid(content), good, "the schema")
                    self.assertEqual(self.taken(content), good, "the program")

    def test_every_type_of_torch_is_in_it(self):
        import torch

        types = {str(value).removeprefix("torch.") for value in vars(torch).values()
                 if isinstance(value, torch.dtype)}
        known = set(self.schema["$defs"]["dtype"]["enum"])
        self.assertLessEqual(known, types)
        for name in sorted(types):
            self.assertEqual(self.taken({"tensors": {"a": {"dtype": name}}}), name in known, name)


if __name__ == "__main__":
    unittest.main()
