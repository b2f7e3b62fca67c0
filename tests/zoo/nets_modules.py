"""torch's own modules, one net a kind, in the smallest form that calls them."""

import torch
from torch import nn

from catalog import Model, add, image, net, values


def stack(name: str, inputs, *layers) -> None:
    """A model of modules in a row. Each is made anew by its recipe."""
    add(Model(name, lambda: nn.Sequential(*(make() for make in layers)), lambda: (inputs(),)))


stack("activations", values(6), lambda: nn.Linear(6, 6), nn.CELU, nn.Hardtanh, nn.LogSigmoid,
      nn.Mish, nn.Softplus, nn.Softshrink, nn.Softsign, nn.Tanhshrink, nn.Hardshrink,
      lambda: nn.Threshold(0.1, 0.0), lambda: nn.Softmin(-1))
stack("pools", image(2, 12), lambda: nn.Conv2d(2, 2, 3), lambda: nn.LPPool2d(2, 2),
      lambda: nn.ReflectionPad2d(1), lambda: nn.AdaptiveMaxPool2d(4), lambda: nn.ZeroPad2d(1),
      lambda: nn.AvgPool2d(2), lambda: nn.ReplicationPad2d(1), lambda: nn.CircularPad2d(1),
      lambda: nn.Upsample(scale_factor=2, mode="bicubic"))
stack("shuffles", image(2, 8), lambda: nn.Conv2d(2, 4, 1), lambda: nn.PixelUnshuffle(2),
      lambda: nn.ChannelShuffle(4), lambda: nn.Conv2d(16, 4, 1, groups=4),
      lambda: nn.PixelShuffle(2))
stack("convolutions_1d", values(3, 10), lambda: nn.Conv1d(3, 4, 3, padding_mode="circular"),
      lambda: nn.ConvTranspose1d(4, 4, 3, stride=2, output_padding=1),
      lambda: nn.Conv1d(4, 2, 3, padding="same", dilation=2), nn.Flatten)
stack("padded_modes", image(3, 8), lambda: nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"),
      lambda: nn.Conv2d(4, 4, 3, padding="valid", bias=False), nn.SiLU)
stack("norms", values(4, 6), lambda: nn.Conv1d(4, 4, 1), lambda: nn.GroupNorm(2, 4),
      lambda: nn.InstanceNorm1d(4), lambda: nn.LayerNorm([4, 6]), lambda: nn.RMSNorm(6),
      lambda: nn.LayerNorm(6, bias=False))
stack("batch_norm_plain", values(4), lambda: nn.Linear(4, 4),
      lambda: nn.BatchNorm1d(4, affine=False))
stack("batch_norm_average", values(4), lambda: nn.Linear(4, 4),
      lambda: nn.BatchNorm1d(4, momentum=None))
stack("sync_batch_norm", image(3, 6), lambda: nn.Conv2d(3, 4, 3), lambda: nn.SyncBatchNorm(4))
stack("dropouts", values(4, 6), lambda: nn.Conv1d(4, 4, 1), lambda: nn.Dropout1d(0.3),
      lambda: nn.Dropout(0.3, inplace=False), lambda: nn.Linear(6, 2))
stack("dropout_inplace", values(6), lambda: nn.Linear(6, 6), lambda: nn.Dropout(0.3, inplace=True),
      lambda: nn.Linear(6, 2))
stack("prelu_each", image(3, 6), lambda: nn.Conv2d(3, 4, 3), lambda: nn.PReLU(4), nn.PReLU)


@net(image(2, 8))
class Unpooling(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.pool = nn.MaxPool2d(2, return_indices=True)
        self.back = nn.MaxUnpool2d(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, where = self.pool(self.conv(x))
        return self.back(y, where)


@net(image(2, 8))
class Folding(nn.Module):
    """A convolution by hand: unfold, multiply, fold."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(8, 8))
        self.unfold = nn.Unfold(2, stride=2)
        self.fold = nn.Fold((8, 8), 2, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fold(self.weight @ self.unfold(x))


@net(values(4))
class LazyLayers(nn.Module):
    """Layers that learn their size from the first batch."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.LazyLinear(6)
        self.norm = nn.LazyBatchNorm1d()
        self(torch.randn(3, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.body(x))


@net(values(4))
class AdaptiveSoftmax(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(4, 6)
        self.head = nn.AdaptiveLogSoftmaxWithLoss(6, 8, cutoffs=[3])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head.log_prob(self.body(x))


@net(values(6), values(6))
class Distances(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(6, 4)
        self.cosine = nn.CosineSimilarity()
        self.far = nn.PairwiseDistance()

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        a, b = self.embed(a), self.embed(b)
        return self.cosine(a, b) + self.far(a, b)
