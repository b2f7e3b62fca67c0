"""What the form of a program hides from a rule is said beside the findings, and gates nothing.

usage: unseen_test.py TORCHVET
"""

import json
import os
import pathlib
import subprocess
import sys
import unittest

TORCHVET = str(pathlib.Path(sys.argv.pop(1)).resolve())
FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "fixtures"

TRACE = FIXTURES / "GRF006/ok_asked.pt"
SCRIPT = FIXTURES / "MOD002/ok_functional_script.pt"
EXPORT = FIXTURES / "MOD002/ok_dropout_export.pt2"
DECOMPOSED = FIXTURES / "MOD002/ok_dropout_decomposed_export.pt2"
STATE = FIXTURES / "PKL004/ok_state_dict.pt"


def run(*arguments) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if name != "TORCHVET_WORKER"}
    return subprocess.run([TORCHVET, "check", *map(str, arguments)], capture_output=True, text=True,
                          timeout=60, env=environment, check=False)


def unseen(path: pathlib.Path, *options: str) -> dict[str, str]:
    (artifact,) = json.loads(run(path, "--json", *options).stdout)["artifacts"]
    return {entry["code"]: entry["what"] for entry in artifact["unseen"]}


class Unseen(unittest.TestCase):
    def test_each_form_hides_its_own(self):
        self.assertEqual(set(unseen(SCRIPT)), set())
        self.assertEqual(set(unseen(STATE)), set())
        self.assertEqual(set(unseen(EXPORT)), {"GRF006"})
        self.assertEqual(set(unseen(DECOMPOSED)), {"GRF001", "GRF006", "REG002"})
        self.assertIn("no_grad", unseen(TRACE)["GRF001"])
        self.assertIn("branch", unseen(TRACE)["GRF003"])
        self.assertNotIn("GRF006", unseen(TRACE), "the example has a batch size that can be told")

    def test_only_of_rules_that_ran(self):
        self.assertEqual(set(unseen(DECOMPOSED, "--select", "REG")), {"REG002"})
        self.assertEqual(set(unseen(DECOMPOSED, "--ignore", "GRF,REG")), set())

    def test_is_no_gap(self):
        result = run(TRACE, DECOMPOSED)
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertNotIn("not analysed", result.stdout)

    def test_equal_artifacts_share_a_line(self):
        def lines(*arguments) -> list[str]:
            return [line for line in run(*arguments).stdout.splitlines() if line.startswith("unseen")]

        (one,) = lines(TRACE)
        self.assertTrue(one.startswith("unseen in 1 artifact: a trace does not show "), one)
        two = lines(DECOMPOSED, FIXTURES / "MOD002/ok_batch_norm_decomposed_export.pt2", TRACE)
        self.assertEqual(len(two), 2)
        self.assertTrue(two[0].startswith("unseen in 2 artifacts: a decomposed export "), two)
        self.assertTrue(two[1].startswith("unseen in 1 artifact: a trace "), two)
        self.assertEqual(lines(TRACE, "-q"), [])


if __name__ == "__main__":
    unittest.main()
