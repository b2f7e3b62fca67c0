"""Healthy nets whose gradient, randomness or control flow is special by design."""

import torch
import torch.nn.functional as F
from torch import nn

from catalog import image, net, tokens, values


@net(values(6))
class VectorQuantiser(nn.Module):
    """Nearest code, straight through."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Linear(6, 4)
        self.codes = nn.Embedding(8, 4)
        self.decode = nn.Linear(4, 6)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        z = self.encode(x)
        nearest = torch.cdist(z, self.codes.weight).argmin(-1)
        q = self.codes(nearest)
        loss = F.mse_loss(q, z.detach()) + 0.25 * F.mse_loss(z, q.detach())
        return self.decode(z + (q - z).detach()), loss


@net(values(6), values(6))
class Simsiam(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))
        self.predict = nn.Linear(4, 4)

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        za, zb = self.encode(a), self.encode(b)
        left = F.cosine_similarity(self.predict(za), zb.detach(), dim=-1)
        right = F.cosine_similarity(self.predict(zb), za.detach(), dim=-1)
        return -(left + right) / 2


@net(values(6))
class Teacher(nn.Module):
    """A second net, without gradient, beside the one that learns."""

    def __init__(self) -> None:
        super().__init__()
        self.student = nn.Linear(6, 4)
        self.teacher = nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            goal = torch.softmax(self.teacher(x) / 0.1, -1)
        return -(goal * torch.log_softmax(self.student(x), -1)).sum(-1)


@net(image(3, 8))
class FrozenBackbone(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Conv2d(3, 4, 3).requires_grad_(False)
        self.head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            x = self.backbone(x).relu().mean((2, 3))
        return self.head(x.detach())


@net(values(6))
class Gumbel(nn.Module):
    """A hard choice, drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.score = nn.Linear(6, 4)
        self.codes = nn.Parameter(torch.randn(4, 6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.gumbel_softmax(self.score(x), 1.0, True) @ self.codes


@net(values(6))
class EarlyExit(nn.Module):
    """Stops when it is sure: the branch depends on the data."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.exit = nn.Linear(6, 3)
        self.second = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x).relu()
        early = self.exit(x)
        if bool(early.softmax(-1).amax() > 0.95):
            return early
        return early + self.second(x)


@net(values(6))
class MixtureOfExperts(nn.Module):
    """Every expert is asked, the gate weighs."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(6, 3)
        self.experts = nn.ModuleList([nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))
                                      for _ in range(3)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.gate(x).softmax(-1)
        all_of_them = torch.stack([expert(x) for expert in self.experts], 1)
        return (weight.unsqueeze(-1) * all_of_them).sum(1)


@net(values(6))
class SwitchRouting(nn.Module):
    """Rows go to the expert of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(6, 3)
        self.weight = nn.Parameter(torch.randn(3, 6, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        p, chosen = self.gate(x).softmax(-1).max(-1)
        return p.unsqueeze(-1) * torch.bmm(x.unsqueeze(1), self.weight[chosen]).squeeze(1)


@net(values(6))
class RoutedExperts(nn.Module):
    """Top two of four, gathered and scattered back by index."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(6, 4)
        self.experts = nn.ModuleList([nn.Linear(6, 6) for _ in range(4)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight, chosen = self.gate(x).softmax(-1).topk(2, -1)
        out = torch.zeros_like(x)
        for i, expert in enumerate(self.experts):
            share = (weight * (chosen == i)).sum(-1, keepdim=True)
            out = out + share * expert(x)
        return out


@net(values(6))
class SelfNormalising(nn.Module):
    """Alpha dropout and a random leaky ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 8), nn.SELU(), nn.FeatureAlphaDropout(0.1),
                                  nn.Linear(8, 8), nn.RReLU(), nn.Linear(8, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


@net(values(6))
class NoEffectiveDropout(nn.Module):
    """Dropout layers with probability zero: the mode changes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(6, 8)
        self.drop = nn.Dropout(0.0)
        self.lstm = nn.LSTM(8, 4, dropout=0.0, num_layers=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.lstm(self.drop(self.body(x)).unsqueeze(0))[0]


@net(values(6), values(3))
class MixupTraining(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        if self.training:
            share = torch.rand(1)
            order = torch.randperm(x.size(0))
            x = share * x + (1 - share) * x[order].flip(0)
            y = share * y + (1 - share) * y[order].flip(0)
        return (self.body(x) - y).square()


@net(values(6))
class RunningScale(nn.Module):
    """Keeps a mean of its own, written in training."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(6, 3)
        self.register_buffer("mean", torch.zeros(6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.mean.mul_(0.9).add_(0.1 * x.detach().mean(0))
        return self.body(x - self.mean)


@net(values(4))
class ActorCritic(nn.Module):
    """Draws an action, and says how likely it was."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(4, 8)
        self.mean = nn.Linear(8, 2)
        self.deviation = nn.Parameter(torch.zeros(2))
        self.value = nn.Linear(8, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        x = self.body(x).tanh()
        mean, scale = self.mean(x), self.deviation.exp()
        action = mean + scale * torch.randn_like(mean)
        likely = -(((action - mean) / scale) ** 2) / 2 - self.deviation
        return action, likely.sum(-1), self.value(x)


@net(values(4))
class RealNvp(nn.Module):
    """An invertible net; masks are buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.tensor([[1.0, 0, 1, 0], [0, 1, 0, 1]]))
        self.scale = nn.ModuleList([nn.Linear(4, 4) for _ in range(2)])
        self.shift = nn.ModuleList([nn.Linear(4, 4) for _ in range(2)])

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        density = torch.zeros(x.size(0))
        for i, (scale, shift) in enumerate(zip(self.scale, self.shift)):
            mask = self.mask[i]
            s = torch.tanh(scale(x * mask)) * (1 - mask)
            x = mask * x + (1 - mask) * (x * s.exp() + shift(x * mask))
            density = density + s.sum(-1)
        return x, density


@net(values(3))
class NeuralOde(nn.Module):
    """Euler's steps in a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.field = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for step in range(3):
            t = torch.full((x.size(0), 1), step / 3)
            x = x + self.field(torch.cat([x, t], -1)) / 3
        return x


@net(values(5, 4))
class GraphConvolution(nn.Module):
    """A fixed graph in a buffer, then messages by index."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("adjacency", torch.eye(5) * 0.5 + 0.1)
        self.register_buffer("edges", torch.tensor([[0, 1, 2, 3], [1, 2, 3, 4]]))
        self.first = nn.Linear(4, 6)
        self.message = nn.Linear(6, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.matmul(self.adjacency, self.first(x)).relu()
        gathered = torch.zeros_like(x).index_add(1, self.edges[1],
                                                 self.message(x[:, self.edges[0]]))
        return x + gathered


@net(values(5, 3))
class PointNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.each = nn.Sequential(nn.Conv1d(3, 8, 1), nn.BatchNorm1d(8), nn.ReLU())
        self.turn = nn.Linear(8, 9)
        self.all = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        turn = self.turn(self.each(x.transpose(1, 2)).amax(-1)).view(-1, 3, 3)
        turned = torch.bmm(x, turn + torch.eye(3))
        return self.all(self.each(turned.transpose(1, 2)).amax(-1))


@net(tokens(1, 8), tokens(1, 8))
class MatrixFactorisation(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.user = nn.Embedding(8, 4)
        self.item = nn.Embedding(8, 4)
        self.bias = nn.Embedding(8, 1)

    def forward(self, user: torch.Tensor, item: torch.Tensor) -> torch.Tensor:
        return (self.user(user) * self.item(item)).sum(-1) + self.bias(item).squeeze(-1)


@net(values(2))
class Siren(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 8)
        self.last = nn.Linear(8, 1)
        nn.init.uniform_(self.first.weight, -0.5, 0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.sin(30 * self.first(x)))


@net(values(4), strict=False)
class NamedResults(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(4, 6)
        self.left = nn.Linear(6, 2)
        self.right = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        x = self.body(x).relu()
        return {"left": self.left(x), "right": self.right(x)}


@net(values(4), values(4))
class BilinearScore(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.score = nn.Bilinear(4, 4, 3)

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return self.score(a, b)


@net(values(4))
class RandomResult(nn.Module):
    """Randomised smoothing: noise on the input is the method."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        votes = torch.zeros(x.size(0), 3)
        for _ in range(4):
            votes = votes + self.body(x + 0.1 * torch.randn_like(x)).softmax(-1)
        return votes / 4


@net(image(3, 8))
class RandomKernelInTraining(nn.Module):
    """An augmentation: in training a random kernel distorts the image."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            x = F.conv2d(x, torch.randn(3, 3, 3, 3), padding=1)
        return self.conv(x)


@net(values(5, 4))
class EchoState(nn.Module):
    """A fixed random reservoir, in buffers; only the readout learns."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("inside", torch.rand(6, 4) - 0.5)
        self.register_buffer("around", torch.randn(6, 6) * 0.3)
        self.readout = nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = torch.zeros(x.size(0), 6)
        for t in range(x.size(1)):
            state = torch.tanh(F.linear(x[:, t], self.inside) + F.linear(state, self.around))
        return self.readout(state)


@net(values(6))
class CenteredLoss(nn.Module):
    """Losses with weights of their own, as in a model that returns its loss."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(6, 3)
        self.loss = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 0.5]))
        self.binary = nn.BCEWithLogitsLoss(pos_weight=torch.tensor([1.0, 2.0, 3.0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.body(x)
        return self.loss(y, x[:, :3].argmax(-1)) + self.binary(y, (x[:, :3] > 0).float())
