"""Four small nets that are trained in a fraction of a second. Each has a layer `middle` that a test may
break, a linear layer `head`, and a batch of data of its own."""

import torch
from torch import nn

CLASSES = 4


class Mlp(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(12, 32)
        self.middle = nn.Linear(32, 32)
        self.late = nn.Linear(32, 32)
        self.head = nn.Linear(32, CLASSES)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.late(torch.relu(self.middle(torch.relu(self.stem(x))))))

    def data(self) -> torch.Tensor:
        return torch.randn(32, 12)


class Cnn(nn.Module):
    """With batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(16)
        self.middle = nn.Conv2d(16, 16, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(16)
        self.late = nn.Conv2d(16, 32, 3, padding=1)
        self.norm3 = nn.BatchNorm2d(32)
        self.head = nn.Linear(32, CLASSES)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm1(self.stem(x)))
        x = torch.relu(self.norm2(self.middle(x)))
        return torch.relu(self.norm3(self.late(x))).mean((2, 3))

    def data(self) -> torch.Tensor:
        return torch.randn(16, 3, 6, 6)


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.norm1 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)
        self.norm2 = nn.LayerNorm(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.down(torch.nn.functional.gelu(self.up(self.norm2(x))))


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(20, 32)
        self.first = Block(32)
        self.middle = Block(32)
        self.norm = nn.LayerNorm(32)
        self.head = nn.Linear(32, CLASSES)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.middle(self.first(self.tokens(x)))).mean(1)

    def data(self) -> torch.Tensor:
        return torch.randint(0, 20, (16, 8))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(20, 24)
        self.first = nn.LSTM(24, 24, batch_first=True)
        self.middle = nn.LSTM(24, 24, batch_first=True)
        self.head = nn.Linear(24, CLASSES)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return self.middle(self.first(self.tokens(x))[0])[0].mean(1)

    def data(self) -> torch.Tensor:
        return torch.randint(0, 20, (16, 6))


NETS: dict[str, type[nn.Module]] = {
    "mlp": Mlp, "cnn": Cnn, "transformer": Transformer, "lstm": Recurrent}


class Gate(nn.Module):
    """A branch that a gate, zero at first, lets in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Linear(width, width)
        self.scale = nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.scale * torch.tanh(self.inner(x))


class LowRank(nn.Module):
    """What LoRA puts in the place of a linear layer."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base_layer = base
        self.lora_A = nn.Linear(base.in_features, 2, bias=False)
        self.lora_B = nn.Linear(2, base.out_features, bias=False)
        nn.init.zeros_(self.lora_B.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.base_layer(x) + self.lora_B(self.lora_A(x))


class Whole(nn.Module):
    """One of the nets with a head; `gate` adds a gated branch, `made` says that forward makes a layer."""

    def __init__(self, kind: str, gate: bool = False, made: str = "") -> None:
        super().__init__()
        self.net = NETS[kind]()
        width = self.net.head.in_features
        self.gate = Gate(width) if gate else nn.Identity()
        self.made_how = made

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.gate(self.net.features(x))
        if self.made_how:
            layer = nn.Linear(y.shape[1], y.shape[1])
            if self.made_how == "kept":
                self.made = layer
            y = y + 0.1 * layer(y)
        return self.net.head(y)
