"""`check --expect`: contracts that the program prints itself, and contracts that are none.

usage: expect_test.py TORCHVET
"""

import json
import sys
import unittest

sys.dont_write_bytecode = True
from project import CLEAN, FIXTURES, MODE, Case  # noqa: E402

STATE = FIXTURES / "CTR001/ok_state.pt"
SAME = [STATE, FIXTURES / "CTR001/ok_checkpoint.pt", FIXTURES / "CTR001/ok_tensors.safetensors",
        FIXTURES / "CTR001/ok_script.pt", FIXTURES / "CTR001/ok_exported.pt2"]
GONE = FIXTURES / "CTR001/bad_layer_gone.pt"


class Expect(Case):
    def print_of(self, path, name: str = "contract.json", *more: str) -> dict:
        text = self.expect(0, "inspect", path, "--what", "tensors", "--format", "json", *more)
        self.configure(text, name)
        return json.loads(text)

    def test_the_print_of_each_format_is_a_contract_for_every_other(self):
        for contract in SAME:
            self.print_of(contract)
            for path in SAME:
                with self.subTest(contract=contract.name, path=path.name):
                    self.assertEqual(self.codes(path, "--expect", "contract.json", "--select", "CTR"), [])

    def test_the_print_may_say_more(self):
        self.print_of(STATE, "contract.json", "--what", "summary,members,modules", "--digests", "--values")
        self.assertEqual(self.codes(STATE, "--expect", "contract.json", "--select", "CTR"), [])
        self.assertEqual({code for code, _ in self.codes(GONE, "--expect", "contract.json",
                                                         "--select", "CTR")}, {"CTR001", "CTR004"})

    def test_names_and_roles_of_the_print(self):
        state = self.print_of(SAME[1])
        names = {name: one["role"] for one in state["tensors"] for name in one["names"]}
        self.assertEqual(names["norm.running_mean"], "buffer")
        self.assertEqual(names["stem.weight"], "parameter")
        self.assertEqual(state["parameters"], 74)

    def test_without_a_contract_nobody_expects_anything(self):
        self.assertEqual(self.codes(GONE), [])
        self.assertIn("the selection leaves no rule to run", self.refused("check", GONE, "--select", "CTR"))

    def test_the_exit_code_is_a_gate(self):
        self.configure({"parameters": 74}, "contract.json")
        self.expect(0, "check", STATE, "--expect", "contract.json", "-q")
        self.configure({"parameters": 75}, "contract.json")
        self.expect(1, "check", STATE, "--expect", "contract.json", "-q")
        self.expect(1, "check", STATE, "-q", TORCHVET_EXPECT="contract.json")

    def test_what_is_no_contract(self):
        for content, reason in (
                ("", "contract.json: "),
                ("{", "contract.json: "),
                ('{"tensors": {"a": [1]}', "contract.json: "),
                ('{"parameters": 1, "parameters": 1}', "contract.json: key `parameters` stands twice"),
                ('{"tensors": {"a": [1], "a": [2]}}', "contract.json: key `a` stands twice"),
                ('{"tensors": []}', "contract.json: `tensors` is a list, but this is no print of"),
                ('{"tensors": [], "gaps": []}', "contract.json: tensors: none of them belongs to a model"),
                ('{"tensors": [], "gaps": [{"what": "x", "why": "y"}]}', "could not be read as a whole"),
                ('{"tensors": [3], "gaps": []}', "contract.json: tensors[0]: it must be an object"),
                ('{"tensors": [{"names": [4], "role": "", "shape": [], "dtype": "int8"}], "gaps": []}',
                 "contract.json: tensors[0]: `names` must be texts"),
                ('{"tensors": [{"names": ["a", "a"], "role": "", "shape": [], "dtype": "int8"}],'
                 ' "gaps": []}', "contract.json: tensors[0]: `a` stands twice"),
                ('{"tensor": {"a": [1]}}', "unknown key `tensor`; did you mean tensors?"),
                ('{"tensors": {"a": [9223372036854775808]}}', "contract.json: tensors: `a`: a size must"),
                ('{"tensors": {"a": [1e300]}}', "contract.json: tensors: `a`: a size must"),
                ("[" * 3000, "contract.json: "),
                ('{"tensors": {"\\u001b[31m": 3}}', "tensors: `\\x1b[31m`: a shape must be a list"),
        ):
            with self.subTest(content=content[:60]):
                self.configure(content, "contract.json")
                self.assertIn(reason, self.refused("check", CLEAN, "--expect", "contract.json"))
        self.assertIn("nowhere.json: ", self.refused("check", CLEAN, "--expect", "nowhere.json"))
        self.assertIn("models: ", self.refused("check", CLEAN, "--expect", "models"))

    def test_limits(self):
        self.configure({"tensors": {"a": [1, 1, 1], "b": [1]}}, "contract.json")
        for limit in ("tensors=1", "tensor-dimensions=2", "json-bytes=10"):
            self.assertIn("contract.json: ", self.refused(
                "check", CLEAN, "--expect", "contract.json", "--limit", limit))

    def test_a_large_contract_takes_no_time(self):
        wrapped = {f"module.layers.{i}.running_mean": [4] for i in range(20000)}
        wrapped |= {f"module.layers.{i}.num_batches_tracked": [] for i in range(20000)}
        self.configure({"tensors": wrapped}, "contract.json")
        self.assertEqual([code for code, _ in self.codes(STATE, "--expect", "contract.json",
                                                         "--select", "CTR001")], ["CTR001"])

    def test_a_file_without_a_model(self):
        self.configure({"tensors": {"a": [1]}}, "contract.json")
        report = self.report(FIXTURES / "CTR001/bad_no_model.pt", "--expect", "contract.json")
        self.assertEqual([finding["code"] for finding in report["findings"]], ["CTR001"])
        self.expect(1, "check", MODE, "--select", "CTR", "--expect", "contract.json", "-q")


if __name__ == "__main__":
    unittest.main()
