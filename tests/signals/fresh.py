"""A1: tensors as they come from their initialisation, and numbers that only resemble them.

Each kind is drawn many times into one file, and `inspect --values` says of each tensor whether it
bears the mark of a draw. How often a uniform one is recognised depends on its number of elements
alone: at least 12 of them must lie below a quarter of the bound.
"""

import math
import pathlib
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from program import Program
from rows import Table

SMALL_DRAWS, LARGE_DRAWS = 1000, 40
Draw = Callable[[], torch.Tensor]
Make = Callable[[], nn.Module]

# Modules of a kind, drawn often and drawn less often. Their tensors are counted by their number of
# elements, biases apart.
MODULES: dict[str, tuple[list[Make], list[Make]]] = {
    "linear": ([lambda: nn.Linear(8, 8), lambda: nn.Linear(4, 64), lambda: nn.Linear(4, 128),
                lambda: nn.Linear(8, 32)],
               [lambda: nn.Linear(24, 32), lambda: nn.Linear(64, 100),
                lambda: nn.Linear(300, 200)]),
    "conv": ([lambda: nn.Conv2d(1, 64, 1), lambda: nn.ConvTranspose2d(2, 128, 1),
              lambda: nn.Conv2d(3, 48, 1)],
             [lambda: nn.Conv2d(3, 16, 3), lambda: nn.ConvTranspose2d(16, 3, 3),
              lambda: nn.Conv2d(16, 32, 3), lambda: nn.ConvTranspose2d(32, 16, 4)]),
    "rnn": ([lambda: nn.LSTM(8, 5), lambda: nn.GRU(8, 6), lambda: nn.LSTM(2, 16),
             lambda: nn.LSTM(2, 32), lambda: nn.GRU(2, 32), lambda: nn.GRU(2, 48),
             lambda: nn.LSTM(2, 8)],
            [lambda: nn.LSTM(16, 16), lambda: nn.GRU(32, 64, bidirectional=True),
             lambda: nn.LSTM(32, 64, 2)]),
    "attention": ([lambda: nn.MultiheadAttention(8, 2), lambda: nn.MultiheadAttention(12, 2)],
                  [lambda: nn.MultiheadAttention(24, 2), lambda: nn.MultiheadAttention(64, 4)]),
    "bilinear": ([], [lambda: nn.Bilinear(8, 8, 16)])}
CLASSES = (1024, 256, 64, 16)


def filled(*shape: int, by: Callable[..., torch.Tensor], **options: object) -> Draw:
    return lambda: by(torch.empty(*shape), **options)


def old_trunc_normal(tensor: torch.Tensor, std: float) -> torch.Tensor:
    """As torch drew it before 2.13: a uniform share of the distribution, and its inverse."""
    low, high = (0.5 + 0.5 * math.erf(cut / std / math.sqrt(2)) for cut in (-2.0, 2.0))
    tensor.uniform_(2 * low - 1, 2 * high - 1).erfinv_().mul_(std * math.sqrt(2))
    return tensor.clamp_(-2.0, 2.0)


def planted_uniform(generator: np.random.Generator, *shape: int) -> Draw:
    """numpy's uniform numbers, in float32, whose largest is as near to the bound as torch's."""
    def draw() -> torch.Tensor:
        bound = 1 / math.sqrt(shape[1])
        numbers = generator.uniform(-bound, bound, shape)
        numbers[0, 0] = bound * (1 - 1e-3 / numbers.size)
        return torch.from_numpy(numbers.astype(np.float32))
    return draw


def initialisers() -> dict[str, list[Draw]]:
    init = nn.init
    shapes = ((16, 64), (64, 64), (100, 33), (32, 16, 3, 3))
    return {
        "xavier 64": [filled(8, 8, by=init.xavier_uniform_),
                      filled(8, 12, by=init.xavier_uniform_),
                      filled(8, 8, by=init.kaiming_uniform_),
                      filled(8, 12, by=init.kaiming_uniform_)],
        "xavier 256": [filled(16, 24, by=init.xavier_uniform_),
                       filled(16, 24, by=init.kaiming_uniform_)],
        "xavier 1024": [filled(*shape, by=by) for shape in shapes
                        for by in (init.xavier_uniform_, init.kaiming_uniform_)],
        "normal 256": [filled(16, 16, by=init.normal_, std=0.02),
                       filled(30, 30, by=init.normal_),
                       filled(16, 24, by=init.kaiming_normal_),
                       filled(31, 32, by=init.trunc_normal_, std=0.02)],
        "normal 1024": [filled(*shape, by=by) for shape in shapes
                        for by in (init.normal_, init.kaiming_normal_, init.xavier_normal_)]
        + [filled(*shape, by=init.normal_, std=0.02) for shape in shapes]
        + [filled(*shape, by=init.trunc_normal_, std=0.02) for shape in shapes],
        "old truncated 256": [filled(16, 16, by=old_trunc_normal, std=std) for std in (0.02, 0.01)],
        "old truncated 512": [filled(16, 32, by=old_trunc_normal, std=std) for std in (0.02, 0.01)],
        "old truncated 1024": [filled(*shape, by=old_trunc_normal, std=std)
                               for shape in shapes for std in (0.02, 0.01)],
        "other": [filled(64, 64, by=init.orthogonal_),
                  filled(64, 64, by=init.xavier_uniform_, gain=5 / 3),
                  filled(64, 64, by=init.uniform_, a=-0.3, b=0.3)]}


def look_alikes() -> dict[str, list[Draw]]:
    generator = np.random.default_rng(20263)

    def cast(*shape: int) -> Draw:
        return lambda: torch.randn(*shape, dtype=torch.float64).float()

    def transposed(*shape: int) -> Draw:
        return lambda: torch.randn(*shape).t().contiguous()
    return {"numpy uniform": [planted_uniform(generator, 8, 8), planted_uniform(generator, 16, 16)],
            "numpy normal": [lambda: torch.from_numpy(
                generator.normal(size=(64, 64)).astype(np.float32))],
            "rearranged normal": [cast(64, 64), transposed(64, 64)]}


def marks(program: Program, folder: pathlib.Path,
          state: dict[str, torch.Tensor]) -> list[tuple[str, int, bool]]:
    """Name and elements of each tensor, and whether it bears a mark. Constants are left out."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "fresh.pt"
    torch.save({"model": state}, path)
    tensors = program.contents(path).tensors
    path.unlink()
    assert len(tensors) == len(state)
    return [(name, tensor.count, tensor.is_drawn) for name, tensor in tensors.items()
            if tensor.least != tensor.largest]


def measure_modules(table: Table, program: Program, folder: pathlib.Path) -> None:
    for kind, (often, less_often) in MODULES.items():
        made = [make() for make in often for _ in range(SMALL_DRAWS)]
        made += [make() for make in less_often for _ in range(LARGE_DRAWS)]
        for name, count, hit in marks(program, folder, nn.ModuleList(made).state_dict()):
            size = next((least for least in CLASSES if count >= least), 0)
            bias = " bias" if "bias" in name.rsplit(".", 1)[1] else ""
            if f"A1 {kind}{bias} {size}" in table.rows:
                table.count(f"A1 {kind}{bias} {size}", hit, f"{kind}{bias}, {count} numbers")


def measure_draws(table: Table, program: Program, folder: pathlib.Path) -> None:
    for kind, draws_of in (initialisers() | look_alikes()).items():
        draws = LARGE_DRAWS if kind.endswith("1024") or kind == "other" else SMALL_DRAWS
        state = {f"{number}.{place}.weight": draw() for number in range(draws)
                 for place, draw in enumerate(draws_of)}
        for name, count, hit in marks(program, folder, state):
            table.count(f"A1 {kind}", hit, f"{kind} {name}, {count} numbers")


def measure_sizes(table: Table, program: Program, folder: pathlib.Path) -> None:
    for size in (64, 72, 80, 96):
        state = {f"{number}.weight": nn.init.uniform_(torch.empty(size // 8, 8), -8**-0.5, 8**-0.5)
                 for number in range(2 * SMALL_DRAWS)}
        for _, _, hit in marks(program, folder, state):
            table.count(f"A1 uniform of {size}", hit)


def measure(table: Table, program: Program, folder: pathlib.Path) -> None:
    torch.manual_seed(20261)
    measure_modules(table, program, folder)
    measure_draws(table, program, folder)
    measure_sizes(table, program, folder)
