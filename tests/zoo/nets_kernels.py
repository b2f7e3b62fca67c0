"""Healthy nets with kernels that nobody trains, and kernels that are computed."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from catalog import image, net, values


def sobel() -> torch.Tensor:
    x = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    return torch.stack([x, x.t()]).unsqueeze(1)


@net(image(1, 8))
class SobelBuffer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", sobel())
        self.head = nn.Conv2d(2, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(F.conv2d(x, self.kernel, padding=1))


@net(image(1, 8))
class SobelNonPersistent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", sobel(), persistent=False)
        self.head = nn.Conv2d(2, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(F.conv2d(x, self.kernel, padding=1))


@net(image(1, 8))
class SobelAttribute(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kernel = sobel()
        self.head = nn.Conv2d(2, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(F.conv2d(x, self.kernel, padding=1))


@net(image(1, 8))
class SobelLiteral(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(1, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kernel = torch.tensor([[[[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]]])
        return self.head(F.conv2d(x, kernel, padding=1))


@net(image(1, 8))
class HaarWavelet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kernel = 0.5 * torch.tensor([[[1.0, 1], [1, 1]], [[1, -1], [1, -1]],
                                          [[1, 1], [-1, -1]], [[1, -1], [-1, 1]]]).unsqueeze(1)
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(F.conv2d(x, self.kernel, stride=2))


@net(values(8))
class CosineTransform(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        steps = torch.arange(8.0)
        self.basis = torch.cos(math.pi / 8 * (steps + 0.5) * steps.unsqueeze(1))
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(F.linear(x, self.basis))


@net(values(64))
class MelSpectrogram(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(16))
        self.basis = torch.rand(9, 5).cumsum(0).sin().abs()
        self.head = nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spectrum = torch.stft(x, 16, 8, window=self.window, return_complex=True).abs().pow(2)
        return self.head(torch.log(spectrum.transpose(1, 2) @ self.basis + 1e-6))


@net(values(64))
class SpectrogramMask(nn.Module):
    """There and back again: stft, a mask, istft."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(16))
        self.mask = nn.GRU(9, 9, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spectrum = torch.stft(x, 16, 8, window=self.window, return_complex=True)
        gate = torch.sigmoid(self.mask(spectrum.abs().transpose(1, 2))[0]).transpose(1, 2)
        return torch.istft(spectrum * gate, 16, 8, window=self.window)


@net(values(3))
class FourierFeatures(nn.Module):
    """Random frequencies, fixed once."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.randn(3, 8))
        self.head = nn.Linear(16, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        angle = 2 * math.pi * x @ self.frequencies
        return self.head(torch.cat([angle.sin(), angle.cos()], -1))


@net(values(3))
class FourierAttribute(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.frequencies = torch.linspace(0.5, 4, 24).reshape(3, 8).square()
        self.head = nn.Linear(16, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        angle = x @ self.frequencies
        return self.head(torch.cat([angle.sin(), angle.cos()], -1))


@net(values(6))
class Whitening(nn.Module):
    """A matrix and an offset that were computed from data."""

    def __init__(self) -> None:
        super().__init__()
        samples = torch.randn(64, 6) @ torch.randn(6, 6)
        self.offset = -samples.mean(0)
        self.matrix = torch.linalg.inv(torch.linalg.cholesky(samples.T.cov()))
        self.head = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(F.linear(x, self.matrix, self.offset))


@net(image(3, 8))
class ColourSpace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.matrix = torch.tensor([[0.299, 0.587, 0.114], [-0.147, -0.289, 0.436],
                                    [0.615, -0.515, -0.1]]).reshape(3, 3, 1, 1)
        self.offset = torch.tensor([0.0, 0.5, 0.5])
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(F.conv2d(x, self.matrix, self.offset))


@net(image(3, 8))
class BoxBlur(nn.Module):
    """A kernel of ones, made in place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kernel = torch.ones(3, 1, 3, 3) / 9
        return self.conv(F.conv2d(x, kernel, padding=1, groups=3))


@net(image(3, 8))
class GaussianBlur(nn.Module):
    """The kernel's width is drawn anew, its form is computed."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        width = 0.5 + torch.rand(1)
        steps = torch.arange(-2, 3, dtype=x.dtype)
        line = torch.exp(-steps * steps / (2 * width * width))
        line = line / line.sum()
        kernel = (line.unsqueeze(1) * line).expand(3, 1, 5, 5)
        return self.conv(F.conv2d(x, kernel, padding=2, groups=3))


@net(values(5))
class OneHot(nn.Module):
    """Classes become rows of the unit matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(F.embedding(x.argmax(-1), torch.eye(5)))


@net(values(6))
class FunctionalNorm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(F.layer_norm(x, [6], torch.ones(6), torch.zeros(6)))


@net(image(3, 8))
class WeightStandardised(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3, 3, 3))
        self.bias = nn.Parameter(torch.zeros(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        w = self.weight
        w = (w - w.mean((1, 2, 3), keepdim=True)) / (w.std((1, 2, 3), keepdim=True) + 1e-5)
        return F.conv2d(x, w, self.bias)


@net(image(3, 8))
class StandardisedByBatchNorm(nn.Module):
    """Batch norm is done to the weight: it always trains, and has no statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3, 3, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        w = F.batch_norm(self.weight.reshape(1, 4, -1), None, None, training=True, momentum=0.0)
        return F.conv2d(x, w.reshape(4, 3, 3, 3))


@net(image(3, 6))
class ConditionalKernel(nn.Module):
    """The kernel is a mixture that the input chooses."""

    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.Parameter(torch.randn(3, 4 * 3 * 9))
        self.route = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mix = torch.softmax(self.route(x.mean((2, 3))), -1)
        kernels = (mix @ self.experts).view(-1, 3, 3, 3)
        y = F.conv2d(x.reshape(1, -1, x.size(2), x.size(3)), kernels, groups=x.size(0))
        return y.view(x.size(0), 4, y.size(2), y.size(3))


@net(values(4), values(3))
class HyperNetwork(nn.Module):
    """One net makes the weights of another."""

    def __init__(self) -> None:
        super().__init__()
        self.maker = nn.Linear(3, 4 * 5 + 5)

    def forward(self, x: torch.Tensor, task: torch.Tensor) -> torch.Tensor:
        made = self.maker(task.mean(0))
        return F.linear(x, made[:20].view(5, 4), made[20:])


@net(image(3, 8))
class GaborInit(nn.Module):
    """A trained layer that started from a formula."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 5)
        steps = torch.linspace(-1, 1, 5)
        with torch.no_grad():
            for i in range(4):
                self.conv.weight[i] = torch.outer(torch.cos(steps * (i + 1)), torch.exp(-steps**2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)


@net(values(6))
class FixedScaler(nn.Module):
    """Standardises with the numbers of the data set."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.randn(6))
        self.register_buffer("deviation", torch.rand(6) + 0.5)
        self.head = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head((x - self.mean) / self.deviation)
