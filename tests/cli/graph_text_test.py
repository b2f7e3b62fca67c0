"""`inspect --what graph` as text and as JSON: sizes, places, and what feeds each weight.

usage: graph_text_test.py TORCHVET
"""

import json
import os
import pathlib
import subprocess
import sys
import unittest

TORCHVET = str(pathlib.Path(sys.argv.pop(1)).resolve())
FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "fixtures"


def inspect(fixture: str, *options: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "TORCHVET_WORKER"}
    return subprocess.run([TORCHVET, "inspect", FIXTURES / fixture, "--what", "graph", *options],
                          capture_output=True, text=True, timeout=60, env=environment,
                          check=True).stdout


class GraphText(unittest.TestCase):
    def test_created_weights_say_where_they_come_from(self):
        for fixture in ("REG002/bad_in_submodule.pt", "REG002/bad_in_submodule_export.pt2"):
            lines = inspect(fixture).splitlines()
            (at,) = (i for i, line in enumerate(lines)
                     if "aten::linear(" in line and "weight=@" not in line)
            self.assertIn("# block, recipe.py:25", lines[at])
            self.assertEqual(lines[at + 1].strip(),
                             "weight <- uniform_(-0.353553, 0.353553) <- empty([4, 8])")
            self.assertEqual(lines[at + 2].strip(),
                             "bias <- uniform_(-0.353553, 0.353553) <- empty([4])")

    def test_what_the_arguments_say_is_not_said_twice(self):
        text = inspect("MOD002/ok_dropout_export.pt2")
        self.assertIn("weight=@stem.weight, bias=@stem.bias", text)
        self.assertNotIn("<-", text)

    def test_sizes_where_the_program_states_them(self):
        self.assertTrue(inspect("MOD002/ok_gru_export.pt2").startswith(
            "graph forward(x: tensor[3, 2, 6])\n"))
        self.assertTrue(inspect("GRF006/ok_asked.pt").startswith("graph forward(x: tensor)\n"))

    def test_a_list_of_weights_is_opened(self):
        text = inspect("MOD002/ok_gru_export.pt2")
        self.assertIn("      params[7] <- @core.bias_hh_l1\n", text)
        self.assertRegex(text, r"\n  list_\d+: list = prim::ListConstruct\(@core.weight_ih_l0, ")

    def test_through_a_view(self):
        self.assertIn("\n      mat2 <- @stem.weight\n",
                      inspect("MOD002/ok_dropout_decomposed_export.pt2"))

    def test_json_has_every_slot(self):
        (graph,) = json.loads(inspect("REG002/bad_in_submodule.pt", "--format", "json"))["graph"]
        slots = [slot for node in graph["nodes"] for slot in node.get("slots", [])]
        self.assertEqual([slot["argument"] for slot in slots], ["weight", "bias"] * 3)
        self.assertEqual([slot["from"] for slot in slots],
                         [["parameter"]] * 2 + [["random"]] * 2
                         + [["parameter"]] * 2)
        self.assertEqual(slots[0]["attributes"], ["block.stem.weight"])
        self.assertTrue(all(slot["certain"] for slot in slots))


if __name__ == "__main__":
    unittest.main()
