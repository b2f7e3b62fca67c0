"""`torchvet drift` where a part of a checkpoint could not be read: what may lie in it is not called gone.

usage: series_gaps_test.py TORCHVET
"""

import json
import sys
import unittest

sys.dont_write_bytecode = True
from findings import safetensors  # noqa: E402
from project import Case  # noqa: E402

SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


class Sharded(Case):
    def checkpoint(self, step: int, second: tuple[str, list[int], float]) -> None:
        """Two shards, one with `a.weight` and the other with `b.weight`."""
        folder = self.project / f"run/checkpoint-{step}"
        folder.mkdir(parents=True)
        for shard, name, tensor in zip(SHARDS, ("a.weight", "b.weight"), (("F32", [4, 4], step), second)):
            (folder / shard).write_bytes(safetensors({name: tensor}))
        (folder / "model.safetensors.index.json").write_text(json.dumps(
            {"metadata": {}, "weight_map": {"a.weight": SHARDS[0], "b.weight": SHARDS[1]}}))

    def found(self) -> dict[str, tuple[str, str]]:
        """Level and confidence by the checkpoint that is said to differ from the one before."""
        report = self.report("run", "--select", "DRF005", verb="drift")
        return {finding["location"]["artifact"].split("/")[1]: (finding["severity"], finding["confidence"])
                for finding in report["findings"]}

    def test_a_missing_shard_is_not_another_model(self):
        for step in (1, 2, 3):
            self.checkpoint(step, ("F32", [4, 4], 10 * step))
        self.assertEqual(self.found(), {})
        (self.project / "run/checkpoint-2" / SHARDS[1]).unlink()
        self.assertEqual(self.found(), {"checkpoint-2": ("warning", "low"), "checkpoint-3": ("warning", "low")})
        self.assertIn("the shard is missing", self.expect(3, "drift", "run", "--select", "DRF005"))

    def test_another_shape_is(self):
        for step in (1, 2, 3):
            self.checkpoint(step, ("F32", [4, 4 if step < 3 else 5], 10 * step))
        (self.project / "run/checkpoint-1" / SHARDS[0]).unlink()
        self.assertEqual(self.found(), {"checkpoint-2": ("warning", "low"), "checkpoint-3": ("error", "high")})


if __name__ == "__main__":
    unittest.main()
