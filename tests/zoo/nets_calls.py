"""Nets that call in every way that TorchScript knows: methods, interfaces, functions, hooks, tasks.
The differential test of graphs holds them to torch's own graphs, too."""

import torch
import torch.nn.functional as F
from torch import nn

from catalog import fixed, net, values

ROWS = values(4)
SCRIPT = {"forms": ("script",)}


@torch.jit.interface
class Layer(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pass

    def doubled(self, x: torch.Tensor) -> torch.Tensor:
        pass


class Doubling(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 4))
        self.register_buffer("shift", torch.ones(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.weight)

    @torch.jit.export
    def doubled(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(self.forward(x), 0.5, self.training) * 2 + self.shift


def gelu_twice(x: torch.Tensor, times: int = 2) -> torch.Tensor:
    for _ in range(times):
        x = F.gelu(x)
    return x


def checked(x: torch.Tensor) -> torch.Tensor:
    if x.dim() != 2:
        raise ValueError("two dimensions are needed, not " + str(x.dim()))
    return torch.neg(x)


@net(ROWS, **SCRIPT)
class Methods(nn.Module):
    """Several methods that are exported, one that calls the others, and one that nothing calls."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(4, 2)
        self.decoder = nn.Linear(2, 4)

    @torch.jit.export
    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.encoder(x))

    @torch.jit.export
    def decode(self, x: torch.Tensor) -> torch.Tensor:
        return self.decoder(x)

    def unreached(self, x: torch.Tensor) -> torch.Tensor:
        return torch.exp(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.decode(self.encode(x))


class NoForward(nn.Module):
    """Has no input to run it with: no net of the zoo."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    @torch.jit.export
    def predict(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x)

    @torch.jit.export
    def bias(self) -> torch.Tensor:
        return torch.relu(self.fc.bias)


@net(ROWS, **SCRIPT)
class Shared(nn.Module):
    """One layer under three names, one of them inside another module, and one weight in two."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.again = self.first
        self.inside = nn.Sequential(self.first, nn.ReLU(), nn.Linear(4, 4))
        self.tied = nn.Linear(4, 4)
        self.tied.weight = self.inside[2].weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x) + self.again(x)
        return self.tied(self.inside(x))


@net(ROWS, **SCRIPT)
class Interfaces(nn.Module):
    layer: Layer

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(4, 4)
        self.layer = Doubling()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.layer(x) + self.layer.doubled(x))


@net(ROWS, fixed(lambda: 1), **SCRIPT)
class InterfaceLoop(nn.Module):
    """The usual way to index a ModuleList by a number that is not known."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([Doubling() for _ in range(3)])

    def forward(self, x: torch.Tensor, which: int) -> torch.Tensor:
        layer: Layer = self.layers[which]
        return layer.forward(x)


@net(ROWS, **SCRIPT)
class Functions(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = checked(gelu_twice(self.fc(x)))
        x = gelu_twice(x, times=3)
        x = F.layer_norm(x, [4]) + F.softmax(x, dim=-1) + F.dropout(x, 0.1, self.training)
        parts = [torch.exp(part) for part in x.unbind()]
        text = f"{x.size(0)} rows"
        assert len(text) > 3, "short: {}".format(text)
        return torch.stack(parts) + torch.einsum("ij,kj->ik", x, self.fc.weight)


@net(ROWS, fixed(lambda: "a"), **SCRIPT)
class Raises(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor, kind: str) -> torch.Tensor:
        if kind == "a":
            y = self.fc(x)
        elif kind == "b":
            y = torch.exp(x)
        else:
            raise NotImplementedError("no such kind: " + kind)
        return y


@net(ROWS, **SCRIPT)
class Ignored(nn.Module):
    """What Python alone can run: left out where TorchScript would reach it."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    @torch.jit.ignore
    def plotted(self, x: torch.Tensor) -> None:
        assert str(x)

    @torch.jit.unused
    def unused(self, x: torch.Tensor) -> torch.Tensor:
        return torch.exp(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not torch.jit.is_scripting():
            self.plotted(x)
        if x.dim() == 7:
            return self.unused(x)
        return self.fc(x)


@net(ROWS, **SCRIPT)
class Hooked(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = Doubling()

        def before(self, x: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
            return (torch.sin(x[0]),)

        def after(self, x: tuple[torch.Tensor], y: torch.Tensor) -> torch.Tensor:
            return torch.cos(y) + x[0]

        self.fc.register_forward_pre_hook(before)
        self.fc.register_forward_hook(after)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x)


class StateInside(nn.Module):
    """Says itself what is saved of it, which copying it would need too: no net of the zoo."""

    def __init__(self):
        super().__init__()
        self.kept = PackedState()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.kept(x))


class PackedState(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.rand(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.mul(x, self.weight)

    @torch.jit.export
    def __getstate__(self) -> tuple[torch.Tensor, bool]:
        return self.weight, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, bool]):
        self.weight = state[0]
        self.training = state[1]


@net(ROWS, **SCRIPT)
class Tasks(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(2)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tasks: list[torch.jit.Future[torch.Tensor]] = []
        for layer in self.layers:
            tasks.append(torch.jit.fork(layer, x))
        tasks.append(torch.jit.fork(gelu_twice, x))
        results = [torch.jit.wait(task) for task in tasks]
        return torch.stack(results).sum(0)


@net(ROWS, **SCRIPT)
class Overloads(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    @torch.jit._overload_method
    def pick(self, x: torch.Tensor) -> torch.Tensor:
        pass

    @torch.jit._overload_method
    def pick(self, x: int) -> torch.Tensor:
        pass

    def pick(self, x):
        if isinstance(x, int):
            return torch.ones(x, 4)
        return torch.exp(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.pick(x)) + self.pick(2)


@net(ROWS, **SCRIPT)
class Deep(nn.Module):
    """Modules in modules, deeper than anything recursive likes."""

    def __init__(self, levels=60):
        super().__init__()
        self.inner = Deep(levels - 1) if levels else nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sin(self.inner(x))


@net(ROWS, **SCRIPT)
class Contexts(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            x = torch.exp(x)
        with torch.autograd.profiler.record_function("layer"):
            x = self.fc(x)
        with torch.autocast("cpu", enabled=False):
            return torch.matmul(x, self.fc.weight)
