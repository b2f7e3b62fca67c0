"""Healthy nets with attention: torch's own layers, and all kinds written by hand."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from catalog import net, tokens, values


@net(values(5, 8), values(4, 8))
class TorchTransformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(4))

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return self.net(source, target, tgt_mask=self.mask, tgt_is_causal=True)


@net(tokens(5))
class EncoderClassifier(nn.Module):
    """Sines as positions, in a buffer; torch's encoder; the mean decides."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(16, 8)
        angle = torch.arange(5.0).unsqueeze(1) * torch.exp(torch.arange(0, 8, 2) * -1.15)
        self.register_buffer("position", torch.cat([angle.sin(), angle.cos()], 1))
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(self.embed(x) * math.sqrt(8) + self.position).mean(1))


@net(values(5, 8), values(4, 8))
class DecoderOnly(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerDecoderLayer(8, 2, 16, dropout=0.0, batch_first=True,
                                           norm_first=True)
        self.decoder = nn.TransformerDecoder(layer, 2, norm=nn.LayerNorm(8))

    def forward(self, memory: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return self.decoder(x, memory)


@net(values(5, 8), values(4, 6))
class CrossAttention(nn.Module):
    """Other widths for keys and values, extra rows."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, dropout=0.1, kdim=6, vdim=6,
                                               add_bias_kv=True, add_zero_attn=True,
                                               batch_first=True)

    def forward(self, x: torch.Tensor, other: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y, weights = self.attention(x, other, other)
        assert weights is not None
        return y, weights


class Attention(nn.Module):
    """Causal self-attention by torch's function."""

    def __init__(self, width: int, heads: int, drop: float) -> None:
        super().__init__()
        self.heads = heads
        self.drop = drop
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, t, c = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True,
                                           dropout_p=self.drop if self.training else 0.0)
        return self.out(y.transpose(1, 2).reshape(b, t, c))


@net(tokens(5))
class TiedGpt(nn.Module):
    """The embedding is the output layer as well."""

    def __init__(self) -> None:
        super().__init__()
        self.word = nn.Embedding(16, 8)
        self.place = nn.Embedding(5, 8)
        self.norm = nn.LayerNorm(8)
        self.attention = Attention(8, 2, 0.2)
        self.mlp = nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))
        self.head = nn.Linear(8, 16, bias=False)
        self.head.weight = self.word.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.word(x) + self.place(torch.arange(x.size(1), device=x.device))
        h = h + self.attention(self.norm(h))
        return self.head(h + self.mlp(h))


@net(tokens(5))
class RotaryAttention(nn.Module):
    """Rotary positions, grouped keys, RMS norm and a gated MLP by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(16, 8)
        self.q = nn.Linear(8, 8, bias=False)
        self.kv = nn.Linear(8, 8, bias=False)
        self.gate = nn.Linear(8, 12, bias=False)
        self.up = nn.Linear(8, 12, bias=False)
        self.down = nn.Linear(12, 8, bias=False)
        self.scale = nn.Parameter(torch.ones(8))
        self.register_buffer("frequency", 1.0 / 100 ** (torch.arange(2) / 2), persistent=False)

    def turn(self, x: torch.Tensor) -> torch.Tensor:
        angle = torch.outer(torch.arange(x.size(2)), self.frequency)
        a, b = x.chunk(2, -1)
        return torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], -1)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.embed(tokens)
        h = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.scale
        q = self.turn(self.q(h).view(h.size(0), h.size(1), 2, 4).transpose(1, 2))
        k, v = self.kv(h).view(h.size(0), h.size(1), 2, 1, 4).permute(2, 0, 3, 1, 4).unbind(0)
        k = self.turn(k).repeat_interleave(2, 1)
        v = v.repeat_interleave(2, 1)
        x = x + F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        return x + self.down(F.silu(self.gate(x)) * self.up(x))


@net(values(5, 8))
class AlibiAttention(nn.Module):
    """Scores by matmul, distances added, masks filled in."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)
        self.register_buffer("slopes", torch.tensor([0.5, 0.25]).view(2, 1, 1))
        self.register_buffer("causal", torch.tril(torch.ones(5, 5)).bool())
        self.drop = nn.Dropout(0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(x).view(x.size(0), 5, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        steps = torch.arange(5)
        scores = q @ k.transpose(-2, -1) / 2 - self.slopes * (steps[:, None] - steps).abs()
        scores = scores.masked_fill(~self.causal, float("-inf"))
        return (self.drop(torch.softmax(scores, -1)) @ v).transpose(1, 2).flatten(2)


@net(values(5, 8))
class RelativePositions(nn.Module):
    """A learnt table of distances, read by an index buffer; einsum everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.q = nn.Linear(8, 8)
        self.k = nn.Linear(8, 8)
        self.v = nn.Linear(8, 8)
        self.table = nn.Parameter(torch.randn(9, 8))
        steps = torch.arange(5)
        self.register_buffer("index", steps[:, None] - steps + 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.q(x), self.k(x), self.v(x)
        scores = torch.einsum("bid,bjd->bij", q, k)
        scores = scores + torch.einsum("bid,ijd->bij", q, self.table[self.index])
        return torch.einsum("bij,bjd->bid", torch.softmax(scores, -1), v)


@net(values(6, 8))
class Linformer(nn.Module):
    """Keys and values are projected along the sequence by parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)
        self.short = nn.Parameter(torch.randn(3, 6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        k, v = torch.matmul(self.short, k), torch.matmul(self.short, v)
        return torch.softmax(q @ k.transpose(1, 2), -1) @ v


@net(values(6, 8))
class Performer(nn.Module):
    """Random features, kept in a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)
        self.register_buffer("features", torch.linalg.qr(torch.randn(8, 8))[0])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        q = torch.exp(q @ self.features - q.square().sum(-1, keepdim=True) / 2)
        k = torch.exp(k @ self.features - k.square().sum(-1, keepdim=True) / 2)
        norm = q @ k.sum(1).unsqueeze(-1)
        return q @ (k.transpose(1, 2) @ v) / (norm + 1e-6)


@net(values(7, 8))
class Perceiver(nn.Module):
    """Learnt rows ask the input."""

    def __init__(self) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.randn(3, 8))
        self.cross = nn.MultiheadAttention(8, 2, batch_first=True)
        self.inner = nn.TransformerEncoderLayer(8, 2, 8, 0.0, batch_first=True, norm_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = self.latents.unsqueeze(0).repeat(x.size(0), 1, 1)
        return self.inner(rows + self.cross(rows, x, x)[0])


@net(values(8, 8))
class Conformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 16), nn.SiLU(), nn.Dropout(0.1),
                                   nn.Linear(16, 8), nn.Dropout(0.1))
        self.norm = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.inside = nn.Conv1d(8, 16, 1)
        self.depth = nn.Conv1d(8, 8, 3, padding=1, groups=8)
        self.batch = nn.BatchNorm1d(8)
        self.outside = nn.Conv1d(8, 8, 1)
        self.last = nn.LayerNorm(8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + 0.5 * self.first(x)
        y = self.norm(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        y = F.glu(self.inside(x.transpose(1, 2)), 1)
        y = self.outside(F.silu(self.batch(self.depth(y)))).transpose(1, 2)
        return self.last(x + y)


@net(values(5, 6))
class SlotAttention(nn.Module):
    """Slots start at random around a learnt mean, and are refined by a cell."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.randn(1, 1, 6))
        self.deviation = nn.Parameter(torch.randn(1, 1, 6))
        self.q = nn.Linear(6, 6)
        self.k = nn.Linear(6, 6)
        self.v = nn.Linear(6, 6)
        self.cell = nn.GRUCell(6, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        slots = self.mean + self.deviation.exp() * torch.randn(x.size(0), 3, 6)
        k, v = self.k(x), self.v(x)
        for _ in range(2):
            scores = torch.softmax(k @ self.q(slots).transpose(1, 2), -1)
            scores = scores / scores.sum(1, keepdim=True)
            update = scores.transpose(1, 2) @ v
            slots = self.cell(update.reshape(-1, 6), slots.reshape(-1, 6)).view_as(slots)
        return slots


@net(values(5, 6))
class KeyCache(nn.Module):
    """Writes what it saw into a buffer, and reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Linear(6, 6)
        self.register_buffer("cache", torch.zeros(2, 5, 6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        k = self.proj(x)
        self.cache.copy_(k.detach())
        return torch.softmax(k @ self.cache.transpose(1, 2), -1) @ x
