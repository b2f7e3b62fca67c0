"""B1: what the optimizers of torch keep for parameters that no gradient reached.

Most make state at the first gradient. Adagrad makes it at once, and there the sum of squares stays
all zero. SGD without momentum keeps none at all, and nothing can be said.
"""

import pathlib

import torch

import nets
from program import Program
from rows import Table
from training import Training

STEPS = 5
OPTIMIZERS: dict[str, dict[str, float]] = {
    "SGD": {"lr": 0.01, "momentum": 0.9}, "Adam": {"lr": 1e-3}, "AdamW": {"lr": 1e-3},
    "RMSprop": {"lr": 1e-3}, "Adagrad": {"lr": 1e-2}, "NAdam": {"lr": 1e-3}}


def measure(table: Table, program: Program, folder: pathlib.Path) -> None:
    torch.manual_seed(20272)
    for name, options in OPTIMIZERS.items():
        for made in (nets.Cnn, nets.Gru):
            model = made(True)
            optimizer = getattr(torch.optim, name)(model.parameters(), **options)
            training = Training(model, optimizer, nets.task_of(model), folder / "states")
            found = program.check([training.until(STEPS).save()])
            said: set[str] = set().union(*(one.named for one in found if one.code == "REG007"))
            for parameter, _ in model.named_parameters():
                row = "optimizer" if nets.is_unused(parameter) else "optimizer, used"
                table.count(f"B1 {row}", parameter in said, f"{name}: {parameter}")
    model = nets.Cnn(True)
    training = Training(model, torch.optim.SGD(model.parameters(), lr=0.01), nets.task_of(model),
                        folder / "states")
    found = program.check([training.until(STEPS).save()])
    table.count("B1 REG007 without state", any(one.code == "REG007" for one in found), "SGD")
