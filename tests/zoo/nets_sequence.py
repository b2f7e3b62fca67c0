"""Healthy nets that look at sequences, without attention."""

import torch
import torch.nn.functional as F
from torch import nn

from catalog import image, net, tokens, values


@net(tokens(6))
class LstmTagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(16, 8)
        self.lstm = nn.LSTM(8, 6, num_layers=2, bidirectional=True, batch_first=True, dropout=0.2)
        self.head = nn.Linear(12, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(self.embed(x))[0])


@net(values(5, 4))
class LstmPlain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 6, proj_size=3)
        self.head = nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, (h, c) = self.lstm(x)
        return self.head(y) + h.sum() + c.sum()


@net(values(5, 4))
class GruNoBias(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(4, 6, bias=False, batch_first=True)
        self.start = nn.Parameter(torch.zeros(1, 1, 6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.gru(x, self.start.expand(-1, x.size(0), -1).contiguous())[0]


@net(values(5, 4))
class ElmanBothKinds(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tanh = nn.RNN(4, 6, batch_first=True)
        self.relu = nn.RNN(6, 6, nonlinearity="relu", batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.tanh(x)[0])[0]


@net(values(5, 4))
class CellLoop(nn.Module):
    """Cells, stepped by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTMCell(4, 6)
        self.gru = nn.GRUCell(6, 6)
        self.rnn = nn.RNNCell(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.zeros(x.size(0), 6)
        c = torch.zeros(x.size(0), 6)
        g = torch.zeros(x.size(0), 6)
        r = torch.zeros(x.size(0), 3)
        for t in range(x.size(1)):
            h, c = self.lstm(x[:, t], (h, c))
            g = self.gru(h, g)
            r = self.rnn(g, r)
        return r


@net(values(5, 4))
class PackedLstm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 6, batch_first=True)
        self.head = nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        lengths = torch.tensor([5, 3])
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)
        y, _ = self.lstm(packed)
        padded, _ = nn.utils.rnn.pad_packed_sequence(y, batch_first=True)
        return self.head(padded)


@net(tokens(6), tokens(4))
class SequenceToSequence(nn.Module):
    """Encoder, decoder, additive attention."""

    def __init__(self) -> None:
        super().__init__()
        self.source = nn.Embedding(16, 6, padding_idx=0)
        self.target = nn.Embedding(16, 6)
        self.encoder = nn.GRU(6, 6, batch_first=True)
        self.decoder = nn.GRUCell(12, 6)
        self.score = nn.Linear(12, 1)
        self.head = nn.Linear(6, 16)
        self.drop = nn.Dropout(0.3)

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        seen, last = self.encoder(self.drop(self.source(source)))
        h = last[0]
        words = self.target(target)
        steps = []
        for t in range(words.size(1)):
            pair = torch.cat([seen, h.unsqueeze(1).expand_as(seen)], -1)
            weight = torch.softmax(self.score(pair), 1)
            context = (weight * seen).sum(1)
            h = self.decoder(torch.cat([words[:, t], context], -1), h)
            steps.append(self.head(h))
        return torch.stack(steps, 1)


@net(values(4, 12))
class Wavenet(nn.Module):
    """Dilated causal convolutions with gates and skips."""

    def __init__(self) -> None:
        super().__init__()
        self.filters = nn.ModuleList([nn.Conv1d(4, 4, 2, dilation=1 << i) for i in range(2)])
        self.gates = nn.ModuleList([nn.Conv1d(4, 4, 2, dilation=1 << i) for i in range(2)])
        self.skips = nn.ModuleList([nn.Conv1d(4, 4, 1) for _ in range(2)])
        self.head = nn.Conv1d(4, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        total = torch.zeros_like(x)
        for i, (f, g, s) in enumerate(zip(self.filters, self.gates, self.skips)):
            padded = F.pad(x, [1 << i, 0])
            y = s(torch.tanh(f(padded)) * torch.sigmoid(g(padded)))
            total = total + y
            x = x + y
        return self.head(total.relu())


@net(tokens(12))
class CharacterCnn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(16, 6, max_norm=None)
        self.convs = nn.ModuleList([nn.Conv1d(6, 4, k) for k in (2, 3)])
        self.transform = nn.Linear(8, 8)
        self.gate = nn.Linear(8, 8)
        self.drop = nn.AlphaDropout(0.2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x).transpose(1, 2)
        x = torch.cat([conv(x).amax(-1) for conv in self.convs], -1)
        gate = self.gate(x).sigmoid()
        return self.drop(gate * F.selu(self.transform(x)) + (1 - gate) * x)


@net(tokens(6))
class BagOfWords(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(16, 6, mode="mean")
        self.head = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.bag(x))


@net(values(6, 4))
class StateSpace(nn.Module):
    """A diagonal linear recurrence with learnt decay."""

    def __init__(self) -> None:
        super().__init__()
        self.decay = nn.Parameter(torch.rand(4, 3).log())
        self.inside = nn.Parameter(torch.randn(4, 3))
        self.outside = nn.Parameter(torch.randn(4, 3))
        self.skip = nn.Parameter(torch.ones(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = torch.exp(-torch.exp(self.decay))
        state = torch.zeros(x.size(0), 4, 3)
        steps = []
        for t in range(x.size(1)):
            state = a * state + x[:, t, :, None] * self.inside
            steps.append((state * self.outside).sum(-1))
        return torch.stack(steps, 1) + self.skip * x


@net(values(6, 4))
class LongConvolution(nn.Module):
    """A learnt filter as long as the sequence, applied by FFT."""

    def __init__(self) -> None:
        super().__init__()
        self.filter = nn.Parameter(torch.randn(4, 6))
        self.mix = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spectrum = torch.fft.rfft(x.transpose(1, 2), n=12) * torch.fft.rfft(self.filter, n=12)
        y = torch.fft.irfft(spectrum, n=12)[..., :6].transpose(1, 2)
        return self.mix(F.silu(y))


@net(image(1, 8))
class ConvLstm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gates = nn.Conv2d(5, 16, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = x.new_zeros(x.size(0), 4, x.size(2), x.size(3))
        c = torch.zeros_like(h)
        for _ in range(2):
            i, f, o, g = self.gates(torch.cat([x, h], 1)).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        return h


@net(values(6, 4))
class MixerLike(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(4)
        self.norm2 = nn.RMSNorm(4)
        self.across = nn.Sequential(nn.Linear(6, 8), nn.GELU(approximate="tanh"), nn.Linear(8, 6))
        self.within = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Dropout(0.1), nn.Linear(8, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.across(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.within(self.norm2(x))
