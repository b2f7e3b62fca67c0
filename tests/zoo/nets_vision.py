"""Healthy nets that look at images."""

import torch
import torch.nn.functional as F
from torch import nn

from catalog import image, net, values


class Residual(nn.Module):
    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Sequential()
        if stride != 1 or inside != outside:
            self.shortcut = nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False),
                                          nn.BatchNorm2d(outside))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += self.shortcut(x)
        return self.relu(y)


@net(image(3, 16))
class Resnet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8),
                                  nn.ReLU(), nn.MaxPool2d(2))
        self.layer1 = nn.Sequential(Residual(8, 8, 1), Residual(8, 8, 1))
        self.layer2 = nn.Sequential(Residual(8, 16, 2))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.flatten(self.pool(self.layer2(self.layer1(self.stem(x)))), 1))


@net(values(8))
class Mlp(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Dropout(0.2), nn.Linear(16, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x).log_softmax(-1)


def double_conv(inside: int, outside: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inside, outside, 3, padding=1), nn.BatchNorm2d(outside),
                         nn.ReLU(inplace=True), nn.Conv2d(outside, outside, 3, padding=1),
                         nn.BatchNorm2d(outside), nn.ReLU(inplace=True))


@net(image(3, 16))
class Unet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([double_conv(3, 4), double_conv(4, 8), double_conv(8, 16)])
        self.up1 = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.merge1 = double_conv(16, 8)
        self.merge2 = double_conv(12, 4)
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = []
        for i, block in enumerate(self.down):
            x = block(x if i == 0 else F.max_pool2d(x, 2))
            kept.append(x)
        x = self.merge1(torch.cat([self.up1(x), kept[1]], 1))
        up = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        return self.head(self.merge2(torch.cat([up, kept[0]], 1)))


@net(image(3, 16))
class Mobilenet(nn.Module):
    """Depthwise convolutions, squeeze and excitation."""

    def __init__(self) -> None:
        super().__init__()
        self.expand = nn.Conv2d(3, 8, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.depth = nn.Conv2d(8, 8, 3, padding="same", groups=8, bias=False)
        self.bn2 = nn.BatchNorm2d(8)
        self.squeeze = nn.Conv2d(8, 2, 1)
        self.excite = nn.Conv2d(2, 8, 1)
        self.project = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.hardswish(self.bn1(self.expand(x)))
        x = F.relu6(self.bn2(self.depth(x)))
        gate = F.adaptive_avg_pool2d(x, 1)
        x = x * F.hardsigmoid(self.excite(F.relu(self.squeeze(gate))))
        return self.project(x.mean([2, 3]))


class DropPath(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        keep = torch.rand(x.size(0), 1, 1, 1, device=x.device) + 0.5
        return x * keep.floor() / 0.5


@net(image(3, 16))
class ConvnextLike(nn.Module):
    """Layer scale, layer norm over channels, stochastic depth."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, stride=4)
        self.depth = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.norm = nn.LayerNorm(8)
        self.wide = nn.Linear(8, 16)
        self.narrow = nn.Linear(16, 8)
        self.gamma = nn.Parameter(torch.full((8,), 0.5))
        self.drop = DropPath()
        self.head = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        y = self.norm(self.depth(x).permute(0, 2, 3, 1))
        y = self.gamma * self.narrow(F.gelu(self.wide(y)))
        x = x + self.drop(y.permute(0, 3, 1, 2))
        return self.head(x.mean((-2, -1)))


@net(image(3, 12))
class Densenet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.layers = nn.ModuleList([nn.Sequential(nn.BatchNorm2d(4 + 4 * i), nn.ReLU(),
                                                   nn.Conv2d(4 + 4 * i, 4, 3, padding=1),
                                                   nn.Dropout2d(0.1)) for i in range(3)])
        self.head = nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return self.head(x.mean((2, 3)))


@net(image(3, 12))
class Inception(nn.Module):
    """Parallel branches, and a second classifier that only training uses."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 4, 1)
        self.three = nn.Conv2d(3, 4, 3, padding=1)
        self.pooled = nn.Sequential(nn.AvgPool2d(3, 1, 1), nn.Conv2d(3, 4, 1))
        self.head = nn.Linear(12, 3)
        self.aux = nn.Linear(12, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(torch.cat([self.one(x), self.three(x), self.pooled(x)], 1)).mean((2, 3))
        out = self.head(y)
        if self.training:
            out = out + 0.3 * self.aux(y)
        return out


@net(image(1, 8))
class Autoencoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.LeakyReLU(), nn.Flatten(),
                                    nn.Linear(64, 6))
        self.decode = nn.Sequential(nn.Linear(6, 64), nn.Unflatten(1, (4, 4, 4)),
                                    nn.ConvTranspose2d(4, 1, 4, 2, 1), nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.decode(self.encode(x))


@net(image(3, 8))
class VitLike(nn.Module):
    """Class token, learnt positions, patches by convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.position = nn.Parameter(torch.randn(1, 5, 8))
        self.norm = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.size(0), -1, -1), x], 1) + self.position
        y = self.norm(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return self.head(x[:, 0])


@net(image(3, 8))
class SpatialTransformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.locate = nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.ReLU(), nn.Linear(8, 6))
        self.conv = nn.Conv2d(3, 2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        grid = F.affine_grid(self.locate(x).view(-1, 2, 3), x.size(), align_corners=False)
        return self.conv(F.grid_sample(x, grid, align_corners=False))


@net(values(2, 6, 6, 6))
class VoxelNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv3d(2, 4, 3), nn.BatchNorm3d(4), nn.ELU(),
                                  nn.MaxPool3d(2), nn.Dropout3d(0.2), nn.ConvTranspose3d(4, 1, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


@net(image(3, 8))
class Normalisers(nn.Module):
    """Norms with and without their own statistics and weights."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.instance = nn.InstanceNorm2d(4, affine=True)
        self.plain = nn.InstanceNorm2d(4)
        self.group = nn.GroupNorm(2, 4)
        self.no_statistics = nn.BatchNorm2d(4, track_running_stats=False)
        self.local = nn.LocalResponseNorm(2)
        self.no_affine = nn.LayerNorm(6, elementwise_affine=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.group(self.plain(self.instance(self.conv(x))))
        return self.no_affine(self.local(self.no_statistics(x)))


@net(image(3, 8))
class TrackedInstanceNorm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.InstanceNorm2d(4, affine=True, track_running_stats=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.conv(x))


@net(image(3, 8))
class FrozenBatchNorm(nn.Module):
    """The net trains, its batch norm never does."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        norm = self.norm
        assert norm.running_mean is not None and norm.running_var is not None
        return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, False)


@net(image(3, 6))
class SuperResolution(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.act = nn.PReLU(8)
        self.last = nn.Conv2d(8, 12, 3, padding=1)
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.clamp(self.shuffle(self.last(self.act(self.first(x)))), 0, 1)


@net(image(3, 16))
class FeaturePyramid(nn.Module):
    """Several results by name."""

    def __init__(self) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(3, 4, 3, 2, 1)
        self.c2 = nn.Conv2d(4, 8, 3, 2, 1)
        self.lateral1 = nn.Conv2d(4, 4, 1)
        self.lateral2 = nn.Conv2d(8, 4, 1)
        self.smooth = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        fine = F.relu(self.c1(x))
        coarse = self.lateral2(F.relu(self.c2(fine)))
        up = F.interpolate(coarse, size=[fine.size(2), fine.size(3)], mode="nearest")
        return self.smooth(self.lateral1(fine) + up), self.smooth(coarse)


@net(image(3, 8), image(3, 8))
class AdaptiveInstanceNorm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Conv2d(3, 4, 3)
        self.decode = nn.Conv2d(4, 3, 3, padding=2)

    def forward(self, content: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        c, s = self.encode(content), self.encode(style)
        c = (c - c.mean((2, 3), keepdim=True)) / (c.std((2, 3), keepdim=True) + 1e-5)
        return self.decode(c * s.std((2, 3), keepdim=True) + s.mean((2, 3), keepdim=True))


@net(image(3, 8), image(3, 4))
class Siamese(nn.Module):
    """Features of one image are the kernel for the other."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, search: torch.Tensor, exemplar: torch.Tensor) -> torch.Tensor:
        kernel = self.embed(exemplar)
        found = self.embed(search)
        joined = found.reshape(1, found.size(0) * 4, found.size(2), found.size(3))
        return F.conv2d(joined, kernel, groups=kernel.size(0)).transpose(0, 1)


@net(values(6), values(8))
class Vae(nn.Module):
    """Draws in training and in use."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Linear(6, 8)
        self.decode = nn.Linear(4, 6)
        self.context = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean, deviation = self.encode(x).chunk(2, -1)
        z = mean + torch.randn_like(deviation) * torch.exp(0.5 * deviation)
        return self.decode(z + self.context(c)), mean


@net(values(6))
class VaeByMode(nn.Module):
    """Draws in training only."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Linear(6, 8)
        self.decode = nn.Linear(4, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean, deviation = self.encode(x).chunk(2, -1)
        if self.training:
            mean = mean + torch.randn_like(mean) * deviation.exp()
        return self.decode(mean)


@net(values(4))
class Generator(nn.Module):
    """The noise is made inside, beside the label's embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.label = nn.Linear(4, 6)
        self.noise = nn.Linear(6, 6)
        self.up = nn.ConvTranspose2d(6, 3, 4)
        self.scale = nn.Parameter(torch.zeros(1, 3, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.noise(torch.randn(x.size(0), 6)) * self.label(x)
        y = self.up(z[:, :, None, None])
        return torch.tanh(y + self.scale * torch.randn(y.size(0), 1, y.size(2), y.size(3)))


@net(image(3, 8))
class GaussianInput(nn.Module):
    """Adds noise to what it sees in training."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            x = x + 0.1 * torch.randn_like(x)
        return self.conv(x)
