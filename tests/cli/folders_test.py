"""Folders: what of them is looked at, what is passed over and how that is told; the one model of a folder.

usage: folders_test.py TORCHVET
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

TORCHVET = str(pathlib.Path(sys.argv.pop(1)).resolve())
STATE_DICT = pathlib.Path(__file__).resolve().parents[2] / "fixtures/PKL004/ok_state_dict.pt"


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        shutil.copy(STATE_DICT, self.folder / "pytorch_model.bin")
        for name in ("README.md", "config.json", "tokenizer.json"):
            (self.folder / name).write_text("{}")

    def run_program(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([TORCHVET, *arguments], capture_output=True, text=True, cwd=self.folder,
                              timeout=60, check=False)


class PassedOver(Case):
    def passed_over(self, *options: str) -> dict:
        run = self.run_program("check", "--isolated", "--json", *options, ".")
        self.assertEqual(run.returncode, 0, run.stderr)
        return json.loads(run.stdout)["run"].get("passed_over", {})

    def test_what_is_passed_over_is_counted(self):
        self.assertEqual(self.passed_over(), {"files": 3, "first": ["./README.md", "./config.json",
                                                                    "./tokenizer.json"]})
        verbose = self.run_program("check", "--isolated", "-v", ".").stdout
        self.assertIn("\npassed over 3 files without a model: ./README.md, ./config.json, ./tokenizer.json\n", verbose)
        self.assertNotIn("passed over", self.run_program("check", "--isolated", ".").stdout)

    def test_many_are_named_by_the_first(self):
        for number in range(30):
            (self.folder / f"vocabulary_{number:02}.txt").write_text("a")
        passed = self.passed_over()
        self.assertEqual((passed["files"], len(passed["first"])), (33, 10))
        self.assertIn(" and 23 more\n", self.run_program("check", "--isolated", "-v", ".").stdout)

    def test_what_the_user_leaves_out_is_not_passed_over(self):
        self.assertEqual(self.passed_over("--exclude", "*.json")["first"], ["./README.md"])
        self.assertEqual(self.passed_over("--include", "*.bin"), {})
        (self.folder / "README.md").unlink()
        self.assertEqual(self.passed_over("--exclude", "*.json"), {})

    def test_convert_tells_it_again(self):
        (self.folder / "report.json").write_text(self.run_program("check", "--isolated", "--json", ".").stdout)
        run = self.run_program("convert", "report.json", "--report", "text", "-v")
        self.assertIn("passed over 3 files without a model: ./README.md", run.stdout)

    def test_the_one_model_of_a_folder_is_inspected(self):
        alone, named = self.run_program("inspect", "."), self.run_program("inspect", "pytorch_model.bin")
        self.assertEqual((alone.returncode, alone.stdout), (0, named.stdout), alone.stderr)
        shutil.copy(STATE_DICT, self.folder / "other.pt")
        several = self.run_program("inspect", ".")
        self.assertEqual(several.returncode, 2)
        self.assertIn("2 files in it", several.stderr)


class HuggingFace(Case):
    def test_what_is_said_of_the_model(self):
        (self.folder / "config.json").write_text(json.dumps({
            "architectures": ["ShopModel"], "model_type": "shop", "hidden_size": 3,
            "auto_map": {"AutoModel": "modeling_shop.ShopModel"}}))
        said = self.run_program("inspect", ".").stdout
        self.assertIn("config.json: architectures: ShopModel\n", said)
        self.assertIn("config.json: auto_map.AutoModel: modeling_shop.ShopModel, which trust_remote_code=True imports "
                      "and runs\n", said)
        self.assertNotIn("hidden_size", said)
        self.assertNotIn("transformers:", said)

    def test_an_adapter_is_described_by_its_own_file(self):
        (self.folder / "pytorch_model.bin").rename(self.folder / "adapter_model.bin")
        (self.folder / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 4}')
        said = self.run_program("inspect", ".").stdout
        self.assertIn("adapter_config.json: peft_type: LORA\n", said)
        self.assertIn("adapter_config.json: r: 4\n", said)

    def test_weights_that_transformers_does_not_read(self):
        (self.folder / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
        said = self.run_program("inspect", "pytorch_model.bin").stdout
        self.assertIn("transformers: reads model.safetensors beside it, and not this file\n", said)
        self.assertNotIn("transformers:", self.run_program("inspect", "model.safetensors").stdout)


if __name__ == "__main__":
    unittest.main()
