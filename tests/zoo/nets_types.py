"""Nets that use the types of TorchScript: what only `torch.jit.script` keeps of signatures,
attributes, classes and control flow. The differential test of graphs holds them to torch's own
graphs, too."""

import enum
from typing import Any, NamedTuple

import torch
from torch import nn

from catalog import fixed, net, values

ROWS = values(4)
SCRIPT = {"forms": ("script",)}


class Activation(enum.Enum):
    RELU = 1
    TANH = 2


class Halves(NamedTuple):
    left: torch.Tensor
    right: torch.Tensor | None
    count: int


@torch.jit.script
class Scaler:
    def __init__(self, weight: torch.Tensor, times: int):
        self.weight = weight
        self.times = times
        self.seen: list[int] = []

    def apply(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(self.times):
            x = torch.mul(x, self.weight)
        self.seen.append(self.times)
        return x

    @staticmethod
    def twice(x: torch.Tensor) -> torch.Tensor:
        return torch.exp(x) * 2

    def __add__(self, other: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.weight) + other


@net(ROWS, ROWS, fixed(lambda: [torch.ones(4)]), fixed(lambda: {"a": torch.ones(4)}),
     fixed(lambda: {1: [0.5]}), fixed(lambda: (torch.ones(4), 2)),
     fixed(lambda: Halves(torch.ones(4), None, 1)), fixed(lambda: Activation.RELU), **SCRIPT)
class Types(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor, maybe: torch.Tensor | None, many: list[torch.Tensor],
                named: dict[str, torch.Tensor], numbered: dict[int, list[float]],
                pair: tuple[torch.Tensor, int], halves: Halves, activation: Activation,
                sizes: list[int] | None = None) -> tuple[torch.Tensor, Halves, dict[str, int]]:
        x = self.fc(x)
        if maybe is not None:
            x = x + torch.exp(maybe)
        for each in many:
            x = x + torch.sin(each)
        for key in named:
            x = x + torch.cos(named[key])
        for number, factors in numbered.items():
            x = x * sum(factors) * number
        if activation == Activation.RELU:
            x = torch.relu(x)
        elif activation is not Activation.TANH:
            x = torch.tanh(x)
        first, times = pair
        right = halves.right
        if right is not None:
            first = torch.sub(first, right)
        if sizes is not None:
            x = x.reshape(sizes)
        parts = Halves(halves.left * times, first, halves.count + 1)
        return x, parts, {"count": parts.count}


@net(ROWS, **SCRIPT)
class Attributes(nn.Module):
    """Attributes of every type that a module may hold."""

    table: dict[str, torch.Tensor]
    shifts: list[torch.Tensor]
    maybe: torch.Tensor | None
    missing: torch.Tensor | None
    pairs: list[tuple[torch.Tensor, int]]
    nested: dict[str, list[torch.Tensor]]

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.table = {"a": torch.ones(4), "b": torch.zeros(4)}
        self.shifts = [torch.ones(4), torch.rand(4)]
        self.maybe = torch.rand(4)
        self.missing = None
        self.pairs = [(torch.ones(4), 2)]
        self.nested = {"a": [torch.ones(4)], "b": []}
        self.both = (torch.ones(4), "text")
        self.mode = "same"
        self.names = ["a", "b"]
        self.place = torch.device("cpu")
        self.kind = torch.float64
        self.layout = torch.strided
        self.activation = Activation.TANH
        self.steps = 3
        self.rate = 0.5
        self.turn = 1 + 2j
        self.flags = [True, False]
        self.sizes = (4, 1)
        self.register_buffer("nothing", None)
        self.register_parameter("no_bias", None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.fc(x)
        for name in self.names:
            x = torch.add(x, self.table[name])
        x = x * self.shifts[1] + torch.sin(self.shifts[0])
        maybe = self.maybe
        if maybe is not None:
            x = torch.mul(x, maybe)
        if self.missing is not None:
            x = torch.exp(x)
        weight, times = self.pairs[0]
        x = torch.div(x, weight) * times + torch.cos(self.nested["a"][0])
        if self.mode == "same":
            x = torch.relu(x)
        if self.activation == Activation.TANH:
            x = torch.tanh(x)
        zeros = torch.zeros(self.sizes, dtype=self.kind, device=self.place)
        if self.nothing is None and self.no_bias is None and self.flags[0]:
            x = x + zeros[:, 0]
        return x * self.rate + self.steps + torch.neg(self.both[0])


@net(ROWS, **SCRIPT)
class Writes(nn.Module):
    """Attributes that the program itself changes."""

    cache: dict[str, torch.Tensor]
    history: list[torch.Tensor]
    last: torch.Tensor | None

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.register_buffer("count", torch.zeros(1))
        self.register_buffer("mean", torch.zeros(4))
        self.cache = {}
        self.history = []
        self.last = None
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.count += 1
        self.calls += 1
        self.mean = self.mean * 0.9 + x.mean(0) * 0.1
        self.history.append(x)
        if "y" not in self.cache:
            self.cache["y"] = self.fc(x)
        last = self.last
        if last is not None:
            x = torch.sub(x, last)
        self.last = x
        return self.cache["y"] + self.mean + torch.stack(self.history).sum(0)


@net(ROWS, **SCRIPT)
class Classes(nn.Module):
    """A class of the program's own: made in the method, kept as an attribute, and handed on."""

    scaler: Scaler

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.scaler = Scaler(torch.ones(4), 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mine = Scaler(self.fc.bias, 3)
        kept = [mine, self.scaler]
        for each in kept:
            x = each.apply(x)
        return Scaler.twice(self.fc(self.scaler.apply(x))) + (mine + x)


@net(ROWS, fixed(lambda: 2), **SCRIPT)
class Nests(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])
        self.by_name = nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Identity()})
        self.scales = nn.ParameterList([nn.Parameter(torch.ones(4)) for _ in range(2)])
        self.named = nn.ParameterDict({"p": nn.Parameter(torch.ones(4))})

    def forward(self, x: torch.Tensor, steps: int) -> torch.Tensor:
        for index, layer in enumerate(self.layers):
            if index < steps:
                for inner in range(steps):
                    x = layer(x)
                    if bool(x.sum() > 10):
                        break
                    if inner == 2:
                        continue
                    x = torch.sin(x)
            else:
                while bool(x.mean() > 1) and steps > 0:
                    x = torch.cos(x)
                    steps -= 1
        for name, layer in self.by_name.items():
            x = layer(x) if name == "a" else torch.exp(layer(x))
        for scale in self.scales:
            x = x * scale
        for left, right in zip([1, 2], [3, 4]):
            x = torch.add(x, left * right)
        if steps == 5:
            return torch.neg(x)
        return torch.mul(x, self.named["p"])


@net(ROWS, **SCRIPT)
class Constants(nn.Module):
    """Constants of every kind in the code."""

    factor: torch.jit.Final[int]
    names: torch.jit.Final[list[str]]

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.factor = 3
        self.names = ["x", "y"]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        big = torch.full([4], 9223372036854775807, dtype=torch.long)
        huge = x * float("inf") + 1e-300 - float("nan") * -0.0
        z = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).to(device="cpu", dtype=torch.float16)
        c = torch.tensor(1 + 2j) * 2j
        s = "quote \" back \\ line \n tab \t \u00e9 \U0001f600"
        empty: list[int] = []
        nothing: dict[str, int] = {}
        if len(s) + len(empty) + len(nothing) > self.factor and "x" in self.names:
            x = torch.exp(x)
        fmt = torch.channels_last
        y = x.view(1, 1, 4, -1).contiguous(memory_format=fmt).reshape(-1, 4)
        return self.fc(y) + huge.sum() + z.float().sum() + c.real + big.sum()


@net(ROWS, **SCRIPT)
class AnyInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: Any, rows: torch.Tensor | int | None = None) -> torch.Tensor:
        if isinstance(x, torch.Tensor):
            y = self.fc(x)
        elif isinstance(x, list):
            y = torch.ones(4)
        else:
            y = torch.zeros(4)
        if isinstance(rows, int):
            y = torch.exp(y) * rows
        return y
