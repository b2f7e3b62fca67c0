"""The numbers of tensors on the page, against torch: counts, extremes, mean, deviation, and every bar
of the histograms.

usage: numbers_test.py TORCHVET
"""

import math
import pathlib
import sys
import tempfile
import unittest

try:
    import torch
except ImportError as problem:
    print(f"skipped: this Python has no torch ({problem}): set TORCHVET_PYTHON to one that has")
    sys.exit(77)

import pages

TORCHVET = str(pathlib.Path(sys.argv.pop(1)).resolve())
SHOWN = 0.999


def tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    spike = torch.randn(64, 64) * 0.02
    spike[0, 0], spike[1, 1] = 1000, -70
    broken = torch.randn(32, 32)
    broken[0, :5], broken[1, 0], broken[2, 0] = math.nan, math.inf, -math.inf
    zeros = torch.rand(16, 16)
    zeros[0] = -0.0
    return {
        "normal": torch.randn(128, 128), "uniform": torch.rand(64, 64) - 0.5,
        "positive": torch.rand(64, 64) + 0.25, "negative": -torch.rand(64, 64) * 3,
        "near_one": 1 + 0.1 * torch.randn(512), "powers": 2.0 ** torch.arange(-20, 5),
        "one": torch.full((4, 4), 0.5), "spike": spike, "broken": broken, "zeros": zeros,
        "half": (torch.randn(64, 64) * 0.1).half(), "bfloat16": torch.randn(64, 64).bfloat16(),
        "double": torch.randn(64, 64, dtype=torch.float64) * 1e-300,
        "large": torch.randn(64, 64, dtype=torch.float64) * 1e300,
        "integers": torch.randint(-100, 1000, (64, 64)), "bools": torch.rand(64) > 0.3,
        "strided": torch.randn(32, 64).t()[::2], "empty": torch.empty(0, 3),
        "scalar": torch.tensor(7), "edge": torch.tensor([-1.0, 1.0, 0.5, -0.5]),
    }


def heights_of(numbers: torch.Tensor, spread: dict) -> tuple[list[int], int, int]:
    """The same bars from torch's numbers: a step holds its end towards zero and not the other one."""
    scaled = numbers / 2.0 ** spread["exponent"] * spread["steps"]
    steps = torch.where(scaled >= 0, scaled.floor(), -((-scaled).floor()) - 1).long()
    steps = torch.where(scaled == 0, torch.zeros_like(steps), steps)
    below, above = (steps < -spread["steps"]).sum().item(), (steps >= spread["steps"]).sum().item()
    counts = [(steps == step).sum().item()
              for step in range(spread["first"], spread["steps"])]
    most = max(counts)
    return [0 if not count else max(1, math.floor(count / most * 100 + 0.5)) for count in counts], \
        below, above


class Numbers(unittest.TestCase):
    def test_against_torch(self):
        state = tensors()
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "model.pt")
            torch.save(state, path)
            page, _ = pages.make_page(TORCHVET, "check", path, out=pathlib.Path(folder, "page.html"))
        nodes = {node["name"]: node for node in pages.data_of(page, "model-data-1")}
        self.assertEqual(set(nodes), set(state) | {""})
        for name, tensor in state.items():
            with self.subTest(name):
                self.check(nodes[name], tensor)

    def check(self, node: dict, tensor: torch.Tensor) -> None:
        shown, numbers = node["numbers"], tensor.double()
        self.assertEqual(node["elements"], tensor.numel())
        self.assertEqual(shown["count"], tensor.numel())
        self.assertEqual(shown.get("nan", 0), numbers.isnan().sum().item())
        self.assertEqual(shown.get("infinite", 0), numbers.isinf().sum().item())
        self.assertEqual(shown.get("zero", 0), (numbers == 0).sum().item())
        finite = numbers[numbers.isfinite()]
        if finite.numel() == 0:
            self.assertNotIn("min", shown)
            return
        self.assertEqual(shown["min"], f"{finite.min().item() + 0.0:.4g}")  # no sign of a zero
        self.assertEqual(shown["max"], f"{finite.max().item() + 0.0:.4g}")
        scale = finite.abs().max().item()
        self.assertAlmostEqual(float(shown["mean"]) / scale, (finite / scale).mean().item(), places=4)
        if known := finite.min() < finite.max() and 1e-150 < scale < 1e150:
            deviation = (finite / scale).std(correction=0).item()
            self.assertAlmostEqual(float(shown["deviation"]) / scale, deviation, places=3)
        self.assertEqual("deviation" in shown, bool(known))
        if finite.min() == finite.max():
            self.assertNotIn("spread", shown)
            return
        spread = shown["spread"]
        heights, below, above = heights_of(finite, spread)
        self.assertEqual(spread["heights"], heights)
        self.assertEqual((spread.get("below", 0), spread.get("above", 0)), (below, above))
        self.assertLessEqual(below + above, (1 - SHOWN) * finite.numel())
        # No smaller scale holds the share that is shown.
        within = (finite.abs() < 2.0 ** (spread["exponent"] - 1)).double().mean().item()
        self.assertLess(within, SHOWN)


if __name__ == "__main__":
    unittest.main()
