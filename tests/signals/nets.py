"""The nets that are trained, and what they are trained on.

Seven small nets of the usual kinds. With `planted=True` each also holds modules that are
registered and given to the optimizer, but never called (`unused.*`), and the MLP holds some that
are called and multiplied by 0, so that their gradient is exactly zero (`dead.*`). A task gives one
batch after the other: vectors or images with the class that a random teacher gives them, or tokens
of which 60 of 64 occur, each to be mapped to another token.
"""

import math
from collections.abc import Callable

import torch
from torch import nn

BATCH, TOKENS, SEEN_TOKENS, LENGTH, POSITIONS, CLASSES, WIDTH = 32, 64, 60, 8, 16, 10, 64

Batch = tuple[torch.Tensor, torch.Tensor]


class Mlp(nn.Module):
    def __init__(self, planted: bool) -> None:
        super().__init__()
        self.l1, self.l2 = nn.Linear(32, 128), nn.Linear(128, 128)
        self.l3, self.head = nn.Linear(128, 128), nn.Linear(128, CLASSES)
        if planted:
            self.unused = nn.ModuleDict({"linear": nn.Linear(128, 128)})
            self.dead = nn.Sequential(nn.Linear(32, 128), nn.ReLU(), nn.Linear(128, 20))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.head(self.l3(self.l2(self.l1(x).relu()).relu()).relu())
        return y + 0 * self.dead(x).sum() if hasattr(self, "dead") else y


class Cnn(nn.Module):
    def __init__(self, planted: bool) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.conv2, self.bn2 = nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32)
        self.head = nn.Linear(32, CLASSES)
        if planted:
            self.unused = nn.ModuleDict({"conv": nn.Conv2d(32, 32, 3), "bn": nn.BatchNorm2d(32)})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.max_pool2d(self.bn1(self.conv1(x)).relu(), 2)
        return self.head(self.bn2(self.conv2(x)).relu().mean((2, 3)))


class Residual(nn.Module):
    """kaiming_normal_ with fan_out, and a last norm of the block that begins at 0: the gradient of
    c2, b2 and c3 is exactly zero at the first step."""

    def __init__(self, planted: bool) -> None:
        super().__init__()
        self.c1, self.b1 = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.c2, self.b2 = nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.c3, self.b3 = nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.head = nn.Linear(16, CLASSES)
        if planted:
            self.unused = nn.ModuleDict({"conv": nn.Conv2d(16, 16, 3, bias=False),
                                         "bn": nn.BatchNorm2d(16)})
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.b3.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.b1(self.c1(x)).relu()
        return self.head((x + self.b3(self.c3(self.b2(self.c2(x)).relu()))).relu().mean((2, 3)))


class ResidualInside(Residual):
    """The same with the unused modules before the last norm and the head, not behind them."""

    def __init__(self, planted: bool) -> None:
        super().__init__(planted)
        for name in ("b3", "head"):
            self.add_module(name, self._modules.pop(name))


class Transformer(nn.Module):
    def __init__(self, planted: bool) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(TOKENS, WIDTH), nn.Embedding(POSITIONS, WIDTH)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(WIDTH, 4, 2 * WIDTH, dropout=0.0, batch_first=True)
            for _ in range(2))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, TOKENS)
        if planted:
            self.unused = nn.ModuleDict({
                "linear": nn.Linear(WIDTH, WIDTH), "norm": nn.LayerNorm(WIDTH),
                "embedding": nn.Embedding(TOKENS, WIDTH),
                "attention": nn.MultiheadAttention(WIDTH, 4)})

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        first = int(torch.randint(0, POSITIONS - LENGTH + 1, ()))
        x = self.tokens(tokens) + self.positions(torch.arange(first, first + LENGTH))
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x)).transpose(1, 2)


class SmallNormals(Transformer):
    """The same with the numbers that language models begin with: std 0.02, biases 0."""

    def __init__(self, planted: bool) -> None:
        super().__init__(planted)
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.MultiheadAttention)):
                for parameter in module.parameters(recurse=False):
                    if parameter.dim() > 1:
                        nn.init.trunc_normal_(parameter, std=0.02)
                    else:
                        nn.init.zeros_(parameter)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)


class Tied(Transformer):
    """The weight of the head is the table of the tokens: two names, one parameter."""

    def __init__(self, planted: bool) -> None:
        super().__init__(planted)
        self.head.weight = self.tokens.weight


class Recurrent(nn.Module):
    kind: type[nn.RNNBase]

    def __init__(self, planted: bool) -> None:
        super().__init__()
        self.tokens = nn.Embedding(TOKENS, WIDTH // 2)
        self.rnn = self.kind(WIDTH // 2, WIDTH, 2, batch_first=True)
        self.head = nn.Linear(WIDTH, TOKENS)
        if planted:
            self.unused = nn.ModuleDict({"rnn": self.kind(WIDTH, WIDTH)})

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(self.rnn(self.tokens(tokens))[0]).transpose(1, 2)


class Lstm(Recurrent):
    kind = nn.LSTM


class Gru(Recurrent):
    kind = nn.GRU


NETS: dict[str, type[nn.Module]] = {
    "mlp": Mlp, "cnn": Cnn, "residual": Residual, "transformer": Transformer,
    "small_normals": SmallNormals, "lstm": Lstm, "gru": Gru}


def classes_of(shape: tuple[int, ...]) -> Callable[[], Batch]:
    """Normal inputs of a shape; the class is the largest of some random sums of the input."""
    teacher = torch.randn(math.prod(shape), CLASSES)

    def batch() -> Batch:
        x = torch.randn(BATCH, *shape)
        return x, (x.flatten(1) @ teacher).argmax(1)
    return batch


def mapped_tokens() -> Callable[[], Batch]:
    to = torch.randperm(TOKENS)

    def batch() -> Batch:
        tokens = torch.randint(0, SEEN_TOKENS, (BATCH, LENGTH))
        return tokens, to[tokens]
    return batch


def task_of(net: nn.Module) -> Callable[[], Batch]:
    if isinstance(net, Mlp):
        return classes_of((32,))
    if isinstance(net, (Cnn, Residual)):
        return classes_of((3, 8, 8))
    return mapped_tokens()


def is_unused(name: str) -> bool:
    return name.startswith("unused.")


def is_dead(name: str) -> bool:
    return name.startswith("dead.")


def is_planted(name: str) -> bool:
    """Also the names of the modules around them."""
    return name.split(".")[0] in ("unused", "dead")
