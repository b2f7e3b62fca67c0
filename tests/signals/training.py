"""Trains nets and saves checkpoints as people save them: {"model", "optimizer", "step"}."""

import pathlib
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from nets import Batch

Groups = Iterable[Any]
MakeOptimizer = Callable[[Groups], torch.optim.Optimizer]
STATEFUL = ("momentum", "adam", "adamw", "adamw_strong", "fine_tuning")
SECOND_MOMENTS = STATEFUL[1:]
DECAYING = ("adamw", "adamw_strong")


def optimizers() -> dict[str, MakeOptimizer]:
    optim = torch.optim
    return {
        "sgd": lambda groups: optim.SGD(groups, lr=0.05),
        "momentum": lambda groups: optim.SGD(groups, lr=0.02, momentum=0.9),
        "adam": lambda groups: optim.Adam(groups, lr=1e-3),
        "adamw": lambda groups: optim.AdamW(groups, lr=1e-3, weight_decay=0.01),
        "adamw_strong": lambda groups: optim.AdamW(groups, lr=1e-3, weight_decay=0.1),
        "fine_tuning": lambda groups: optim.Adam(groups, lr=1e-5)}


def save(folder: pathlib.Path, model: nn.Module, optimizer: torch.optim.Optimizer | None,
         step: int) -> pathlib.Path:
    content: dict[str, Any] = {"model": model.state_dict(), "step": step}
    if optimizer is not None:
        content["optimizer"] = optimizer.state_dict()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step_{step:05}.pt"
    torch.save(content, path)
    return path


class Training:
    """A model that is trained on from where it is; `step` counts what was done."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer,
                 batch: Callable[[], Batch], folder: pathlib.Path) -> None:
        self.model, self.optimizer, self.batch, self.folder = model, optimizer, batch, folder
        self.step = 0
        self.saved: dict[int, pathlib.Path] = {}

    def save(self) -> pathlib.Path:
        self.saved[self.step] = save(self.folder, self.model, self.optimizer, self.step)
        return self.saved[self.step]

    def until(self, step: int) -> "Training":
        while self.step < step:
            inputs, targets = self.batch()
            loss = nn.functional.cross_entropy(self.model(inputs), targets)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.step += 1
        return self

    def through(self, steps: Iterable[int]) -> "Training":
        """Trains to each of them and saves there."""
        for step in steps:
            self.until(step).save()
        return self

    def paths(self, steps: Iterable[int]) -> list[pathlib.Path]:
        return [self.saved[step] for step in steps]
