"""Healthy nets whose weights are made of parameters in unusual ways."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from catalog import image, net, tokens, values


@net(values(4, 8))
class WeightNormOld(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.utils.weight_norm(nn.Conv1d(4, 6, 3))
        self.head = nn.utils.weight_norm(nn.Linear(6, 2), dim=None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.conv(x).mean(-1))


@net(values(4, 8))
class WeightNormNew(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = parametrizations.weight_norm(nn.Conv1d(4, 6, 3))
        self.head = parametrizations.weight_norm(nn.Linear(6, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.conv(x).mean(-1))


@net(values(6))
class SpectralNormOld(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.utils.spectral_norm(nn.Linear(6, 6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


@net(image(3, 6))
class SpectralNormNew(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = parametrizations.spectral_norm(nn.Conv2d(3, 4, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


@net(values(6))
class Orthogonal(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cayley = parametrizations.orthogonal(nn.Linear(6, 6), orthogonal_map="cayley")
        self.exponential = parametrizations.orthogonal(nn.Linear(6, 6),
                                                       orthogonal_map="matrix_exp")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.exponential(self.cayley(x).tanh())


class Symmetric(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.triu() + x.triu(1).transpose(-1, -2)


@net(values(6))
class SymmetricWeight(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(6, 6)
        parametrize.register_parametrization(self.body, "weight", Symmetric())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with parametrize.cached():
            return self.body(self.body(x).relu())


@net(values(6))
class Pruned(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(6, 6)
        self.head = nn.Linear(6, 2)
        prune.l1_unstructured(self.body, "weight", 0.3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x).relu())


@net(values(6))
class LoraAdded(nn.Module):
    """The base is frozen, the update has its own path."""

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Linear(6, 6).requires_grad_(False)
        self.down = nn.Linear(6, 2, bias=False)
        self.up = nn.Linear(2, 6, bias=False)
        self.drop = nn.Dropout(0.1)
        nn.init.zeros_(self.up.weight)
        self.up.weight.data += 0.1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.base(x) + self.up(self.down(self.drop(x))) * 2.0


@net(values(6))
class LoraMerged(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 6), requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(6), requires_grad=False)
        self.down = nn.Parameter(torch.randn(2, 6))
        self.up = nn.Parameter(torch.randn(6, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.weight + 0.5 * self.up @ self.down, self.bias)


class NoisyLinear(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.randn(outside, inside) * 0.3)
        self.sigma = nn.Parameter(torch.full((outside, inside), 0.1))
        self.bias = nn.Parameter(torch.zeros(outside))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            return F.linear(x, self.mean + self.sigma * torch.randn_like(self.sigma), self.bias)
        return F.linear(x, self.mean, self.bias)


@net(values(6))
class NoisyQ(nn.Module):
    """Exploration by noise in the weights, and two streams."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(6, 8)
        self.value = NoisyLinear(8, 1)
        self.advantage = NoisyLinear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.body(x).relu()
        a = self.advantage(x)
        return self.value(x) + a - a.mean(-1, keepdim=True)


@net(values(6))
class BayesianLinear(nn.Module):
    """Weights are drawn on every call, whatever the mode."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.randn(4, 6))
        self.rho = nn.Parameter(torch.full((4, 6), -2.0))
        self.bias = nn.Parameter(torch.zeros(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = torch.normal(self.mean, F.softplus(self.rho))
        return F.linear(x, weight, self.bias)


@net(values(6))
class DropConnect(nn.Module):
    """Dropout is done to the weight."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(6, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = F.dropout(self.body.weight, 0.4, self.training)
        return F.linear(x, weight, self.body.bias)


@net(values(6))
class TiedAutoencoder(nn.Module):
    """The decoder is the encoder's transpose."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Linear(6, 3)
        self.bias = nn.Parameter(torch.zeros(6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(torch.tanh(self.encode(x)), self.encode.weight.t(), self.bias)


@net(values(4))
class StyleGan(nn.Module):
    """Scaled at run time, modulated by a style, normalised by its own length."""

    def __init__(self) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.randn(1, 3, 4, 4))
        self.style = nn.Linear(4, 3)
        self.weight = nn.Parameter(torch.randn(2, 3, 3, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        style = self.style(x) + 1
        w = self.weight[None] * 0.19 * style[:, None, :, None, None]
        w = w * torch.rsqrt(w.square().sum((2, 3, 4), keepdim=True) + 1e-8)
        y = self.start.expand(x.size(0), -1, -1, -1).reshape(1, -1, 4, 4)
        y = F.conv2d(y, w.flatten(0, 1), padding=1, groups=x.size(0))
        return y.view(x.size(0), 2, 4, 4)


@net(values(6))
class BinaryWeights(nn.Module):
    """Straight through: the sign goes forward, the gradient to the real weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        binary = self.weight + (self.weight.sign() - self.weight).detach()
        return F.linear(x, binary)


@net(values(6))
class FakeQuantised(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = torch.fake_quantize_per_tensor_affine(self.body.weight, 0.01, 0, -128, 127)
        return F.linear(torch.fake_quantize_per_tensor_affine(x, 0.05, 0, -128, 127), weight,
                        self.body.bias)


@net(tokens(4))
class FactorisedEmbedding(nn.Module):
    """A table as a product, shared with the output."""

    def __init__(self) -> None:
        super().__init__()
        self.codes = nn.Parameter(torch.randn(16, 3))
        self.basis = nn.Parameter(torch.randn(3, 6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        table = self.codes @ self.basis
        return F.linear(F.embedding(x, table), table)


@net(values(6))
class TensorTrain(nn.Module):
    """A weight that einsum makes of three cores."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Parameter(torch.randn(2, 3, 2))
        self.right = nn.Parameter(torch.randn(2, 2, 2))
        self.bias = nn.Parameter(torch.zeros(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = torch.einsum("oir,rpj->opij", self.left, self.right).reshape(4, 6)
        return F.linear(x, weight, self.bias)


@net(values(6))
class LoopedLayers(nn.Module):
    """One layer, called again and again, found by name."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleDict({"inner": nn.Linear(6, 6), "outer": nn.Linear(6, 2)})
        self.scales = nn.ParameterList([nn.Parameter(torch.ones(6)) for _ in range(2)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for scale in self.scales:
            x = torch.tanh(self.layers["inner"](x) * scale)
        return self.layers["outer"](x)


@net(values(6))
class HalfPrecision(nn.Module):
    """Computes in bfloat16 inside."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(6, 6).bfloat16()
        self.head = nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x.to(torch.bfloat16)).float())


@net(values(6))
class Autocasting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(6, 6)
        self.head = nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            x = self.body(x)
        return self.head(x.float())
