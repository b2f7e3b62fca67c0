"""What the recipes of series of checkpoints share: a small net, real training, one file a step."""

import pathlib
from collections.abc import Callable

import torch
from torch import nn

from fixture_tools import save_to

STEPS = 5


class Net(nn.Module):
    """`gate` multiplies by zero when it is asked for, so its gradients are zero."""

    def __init__(self, gate: bool = False, norm: bool = False) -> None:
        super().__init__()
        self.stem = nn.Linear(6, 8)
        self.norm = nn.BatchNorm1d(8) if norm else nn.Identity()
        self.middle = nn.Linear(8, 8)
        self.gate = nn.Linear(8, 8) if gate else None
        self.head = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.tanh(self.norm(self.stem(x)))
        y = torch.tanh(self.middle(y))
        if self.gate is not None:
            y = y + 0 * self.gate(y)
        return self.head(y)


def step(net: nn.Module, optimizer: torch.optim.Optimizer, dtype: torch.dtype = torch.float32) -> None:
    optimizer.zero_grad()
    net(torch.randn(16, 6, dtype=dtype)).square().mean().backward()
    optimizer.step()


def checkpoint(net: nn.Module, optimizer: torch.optim.Optimizer, number: int) -> dict[str, object]:
    return {"model": net.state_dict(), "optimizer": optimizer.state_dict(), "global_step": number}


def save_series(
    folder: pathlib.Path,
    state: Callable[[int], object],
    advance: Callable[[], object],
    steps: int = STEPS,
) -> None:
    """Saves `state(step)` at each step, calling `advance` between two."""
    folder.mkdir()
    for number in range(steps):
        if number:
            advance()
        save_to(folder / f"step_{number * 100}.pt", state(number * 100))


def train(
    folder: pathlib.Path,
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    dtype: torch.dtype = torch.float32,
) -> None:
    """A training run that saves whole checkpoints."""
    save_series(folder, lambda number: checkpoint(net, optimizer, number),
                lambda: step(net, optimizer, dtype))
