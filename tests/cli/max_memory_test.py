"""`--max-memory`: the program takes no more, says what it could not look at, and ends as it always does.

usage: max_memory_test.py TORCHVET MEASURE
"""

import json
import pathlib
import struct
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
from project import ERROR, FIXTURES, TORCHVET, Case  # noqa: E402

MEASURE = sys.argv.pop(1)
MEBI = 1 << 20
TENSORS = 150_000  # which take more than 160 MiB


def many_tensors(path: pathlib.Path) -> None:
    header = {f"layers.{i}.weight": {"dtype": "F32", "shape": [1], "data_offsets": [4 * i, 4 * i + 4]}
              for i in range(TENSORS)}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + struct.pack("<f", 0.5) * TENSORS)


class MaxMemory(Case):
    def setUp(self):
        super().setUp()
        self.large = self.project / "large.safetensors"
        many_tensors(self.large)

    def run_and_measure(self, *arguments: str) -> tuple[int, int]:
        """The exit code, and the most memory that the program had, in bytes."""
        result = subprocess.run([MEASURE, TORCHVET, *arguments], cwd=self.project, check=True,
                                capture_output=True, text=True, timeout=60, env=self.environment())
        measured = json.loads(result.stdout)
        return measured["exit_code"], measured["peak_kib"] * 1024

    def test_what_does_not_fit_is_a_gap(self):
        report = self.report("large.safetensors", "--max-memory", "64M")
        self.assertEqual((report["outcome"], report["exit_code"]), ("incomplete", 3))
        [artifact] = report["artifacts"]
        self.assertEqual(report["findings"], [])
        self.assertIn("not enough memory", " ".join(gap["why"] for gap in artifact["gaps"]))
        self.assertEqual(self.report("large.safetensors", "--max-memory", "1G")["exit_code"], 0)

    def test_what_does_fit_is_looked_at_all_the_same(self):
        self.model("bad.pt", ERROR)
        report = self.report(".", "--max-memory", "64M")
        self.assertEqual(report["exit_code"], 1)
        self.assertIn("REG009", {finding["code"] for finding in report["findings"]})
        gaps = {artifact["id"]: len(artifact["gaps"]) for artifact in report["artifacts"]}
        self.assertEqual(gaps["bad.pt"], 0)
        self.assertGreater(gaps["large.safetensors"], 0)

    def test_no_more_is_taken(self):
        beside = self.large.stat().st_size + 16 * MEBI  # the mapped file, and the program itself
        code, free = self.run_and_measure("check", "large.safetensors")
        self.assertEqual(code, 0)
        self.assertGreater(free, 160 * MEBI + beside)
        for size in (64, 100, 160):
            code, capped = self.run_and_measure("check", "large.safetensors", "--max-memory", f"{size}M")
            self.assertEqual(code, 3)
            self.assertLess(capped, size * MEBI + beside)

    def test_every_command_ends_as_it_always_does(self):
        for size in ("64M", "80M", "100M"):
            for words in (("check", ".", "-j", "64"), ("drift", "large.safetensors", "large.safetensors"),
                          ("diff", "large.safetensors", "--against", "large.safetensors"),
                          ("inspect", "large.safetensors", "--what", "tensors", "--values"),
                          ("check", str(FIXTURES / "demo"))):
                with self.subTest(size=size, words=words):
                    result = self.run_program(*words, "--max-memory", size)
                    self.assertIn(result.returncode, (0, 1, 2, 3), result.stderr)
                    if result.returncode == 2:
                        self.assertRegex(result.stderr, r"\Atorchvet: [^\n]+\n\Z")

    def test_wrong_sizes(self):
        for size, said in (("much", "`much` is no size like 512M or 4G"), ("-1M", "is no size"),
                           ("M", "is no size"), ("1.5G", "is no size"), ("99999999999999T", "is no size"),
                           ("63M", "the least is 64M"), ("0", "the least is 64M")):
            self.assertIn(said, self.refused("check", "large.safetensors", f"--max-memory={size}"))
        self.assertIn("is no size", self.refused("check", ".", TORCHVET_MAX_MEMORY="much"))


if __name__ == "__main__":
    unittest.main()
