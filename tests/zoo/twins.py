"""Broken twins of healthy nets: each has one deliberate bug, and says which finding it must get in
which form. A form without an expectation cannot show the bug (docs of the rules say why)."""

import pathlib
import sys
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from catalog import TWINS, Model, add, image, snake, values

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
from fixture_tools import archive_of, edit_code, read_members  # noqa: E402

GRAPHS = ("trace", "ep", "epd")
ALL = ("script", *GRAPHS)


def everywhere(finding: str, forms: tuple[str, ...] = GRAPHS, **others: str) -> dict[str, str]:
    return {form: finding for form in forms} | others


def twin(*inputs: Callable[[], Any], expected: dict[str, str], forms: tuple[str, ...] = ALL,
         **more: Any) -> Callable[[type], type]:
    """Saved in eval mode: no twin but those of MOD001 and MOD002 is in training."""
    def register(kind: type) -> type:
        add(Model(snake(kind.__name__), kind, lambda: tuple(make() for make in inputs), forms,
                  ("eval",), expected, **more), TWINS)
        return kind
    return register


# ---- layers made in forward ---------------------------------------------------------------------


class MadeInForward(nn.Module):
    def __init__(self, stem: nn.Module, make: Callable[[], nn.Module],
                 call: Callable[[nn.Module, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.stem = stem
        self.make = make
        self.call = call

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.call(self.make(), self.stem(x))


def made(name: str, inputs: Callable[[], Any], stem: Callable[[], nn.Module],
         make: Callable[[], nn.Module], expected: dict[str, str],
         call: Callable[[nn.Module, torch.Tensor], torch.Tensor] = lambda layer, x: layer(x)
         ) -> None:
    add(Model(f"forward_{name}", lambda: MadeInForward(stem(), make, call), lambda: (inputs(),),
              GRAPHS, ("eval",), expected), TWINS)


class Buckets(nn.Module):
    """Makes indices of what a layer says."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(6, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x).argmax(-1)


NEW = "REG002 error"
CERTAIN = everywhere(NEW)
NORM = everywhere(NEW, ("trace", "ep"))

made("linear", values(6), lambda: nn.Linear(6, 6), lambda: nn.Linear(6, 4), CERTAIN)
made("linear_no_bias", values(6), lambda: nn.Linear(6, 6), lambda: nn.Linear(6, 4, bias=False),
     CERTAIN)
made("stack", values(6), lambda: nn.Linear(6, 6),
     lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2)), CERTAIN)
made("conv", image(3, 8), lambda: nn.Conv2d(3, 4, 3), lambda: nn.Conv2d(4, 2, 3), CERTAIN)
made("conv_1d", values(3, 8), lambda: nn.Conv1d(3, 4, 3), lambda: nn.Conv1d(4, 2, 3), CERTAIN)
made("conv_transpose", image(3, 8), lambda: nn.Conv2d(3, 4, 3),
     lambda: nn.ConvTranspose2d(4, 2, 3), CERTAIN)
made("embedding", values(6), Buckets, lambda: nn.Embedding(6, 4), CERTAIN)
made("lstm", values(5, 6), lambda: nn.Linear(6, 6), lambda: nn.LSTM(6, 4, batch_first=True), CERTAIN,
     lambda layer, x: layer(x)[0])
made("gru", values(5, 6), lambda: nn.Linear(6, 6), lambda: nn.GRU(6, 4, batch_first=True), CERTAIN,
     lambda layer, x: layer(x)[0])
made("attention", values(5, 8), lambda: nn.Linear(8, 8),
     lambda: nn.MultiheadAttention(8, 2, batch_first=True), CERTAIN,
     lambda layer, x: layer(x, x, x)[0])
made("layer_norm", values(6), lambda: nn.Linear(6, 6), lambda: nn.LayerNorm(6), NORM)
made("group_norm", image(3, 8), lambda: nn.Conv2d(3, 4, 3), lambda: nn.GroupNorm(2, 4), NORM)


# ---- layers where the module system does not look -----------------------------------------------


class Hidden(nn.Module):
    """The layers stand in `layers`, whatever that is; their gradients are frozen, or torch would
    refuse the trace."""

    def __init__(self, stem: nn.Module, layers: Any,
                 call: Callable[[nn.Module, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.stem = stem
        self.layers = layers
        self.call = call

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        layers = self.layers.values() if isinstance(self.layers, dict) else self.layers
        for layer in layers:
            x = self.call(layer, x)
        return x


def hidden(name: str, inputs: Callable[[], Any], stem: Callable[[], nn.Module],
           make: Callable[[], nn.Module], hold: Callable[[nn.Module], Any],
           expected: dict[str, str],
           call: Callable[[nn.Module, torch.Tensor], torch.Tensor] = lambda layer, x: layer(x)
           ) -> None:
    add(Model(f"hidden_{name}",
              lambda: Hidden(stem(), hold(make().requires_grad_(False).eval()), call).eval(),
              lambda: (inputs(),), GRAPHS, ("eval",), expected), TWINS)


KEPT = everywhere("REG003 error")
hidden("list_linear", values(16), lambda: nn.Linear(16, 16), lambda: nn.Linear(16, 16),
       lambda layer: [layer], KEPT)
hidden("dict_conv", image(3, 8), lambda: nn.Conv2d(3, 4, 3), lambda: nn.Conv2d(4, 8, 3),
       lambda layer: {"conv": layer}, KEPT)
hidden("tuple_linear_no_bias", values(16), lambda: nn.Linear(16, 16),
       lambda: nn.Linear(16, 16, bias=False), lambda layer: (layer,), KEPT)
hidden("set_layer_norm", values(16), lambda: nn.Linear(16, 16), lambda: nn.LayerNorm(16),
       lambda layer: {layer}, KEPT)
hidden("list_stack", values(16), lambda: nn.Linear(16, 16),
       lambda: nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 12)),
       lambda layer: [layer], KEPT)
hidden("list_lstm", values(5, 8), lambda: nn.Linear(8, 8), lambda: nn.LSTM(8, 8, batch_first=True),
       lambda layer: [layer], KEPT, lambda layer, x: layer(x)[0])
hidden("dict_attention", values(5, 16), lambda: nn.Linear(16, 16),
       lambda: nn.MultiheadAttention(16, 2, batch_first=True), lambda layer: {"self": layer}, KEPT,
       lambda layer, x: layer(x, x, x)[0])
hidden("list_embedding", values(6), Buckets, lambda: nn.Embedding(64, 16), lambda layer: [layer],
       KEPT)


# ---- behaviour of training left on --------------------------------------------------------------

BAKED = everywhere("MOD002 error", ALL)
LEFT_ON = everywhere("MOD002 error", script="MOD001 error")


@twin(values(6), expected=LEFT_ON, left_on=True)
class DropoutLeftOn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(6, 8)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(8, 2)
        self.eval()
        self.drop.train()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.drop(self.body(x)))


@twin(image(3, 8), expected=LEFT_ON, left_on=True)
class BatchNormLeftOn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.eval()
        self.norm.train()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.body(x))


@twin(values(6), expected=BAKED)
class FunctionalDropout(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(6, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(F.dropout(self.body(x), 0.5))


@twin(image(3, 8), expected=BAKED)
class ChannelDropout(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout2d(self.body(x), 0.5)


@twin(values(5, 8), expected=BAKED)
class AttentionDropout(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        return F.scaled_dot_product_attention(q, k, v, dropout_p=0.2)


@twin(image(3, 8), expected=BAKED)
class FunctionalBatchNorm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3)
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("variance", torch.ones(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.batch_norm(self.body(x), self.mean, self.variance, training=True)


# ---- the gradient's way and baked values --------------------------------------------------------


@twin(values(6), expected=everywhere("GRF001 note", ("script", "trace", "ep")))
class DetachInTheMiddle(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(6, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x).relu().detach())


@twin(values(6), expected={"ep": "GRF001 note"})
class NoGradInTheMiddle(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(6, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            x = self.body(x).relu()
        return self.head(x)


@twin(values(6), expected={"trace": "GRF002 warning"}, forms=GRAPHS)
class ThroughNumpy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(6, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x.new_tensor(self.body(x).detach().numpy()) + self.body(x))


@twin(values(6), expected={"trace": "GRF002 warning"}, forms=GRAPHS)
class ThroughList(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(6, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tensor(self.body(x).tolist()))


# The trace leaves out the layer whose result was baked, so that nothing reads it: true as well.
@twin(values(6), expected={"trace": "GRF002 warning"}, forms=GRAPHS, also=("REG010",))
class ThroughData(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(6, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x).data)


@twin(values(6, 4), expected=everywhere("GRF006 note", ("trace",)))
class BakedBatch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(24, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x.view(2, 24))


# ---- what nobody reads, and where it runs -------------------------------------------------------


@twin(values(6), expected=everywhere("REG010 warning", ALL))
class UnusedLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(6, 6)
        self.norm = nn.LayerNorm(6)
        self.head = nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x))


@twin(values(6), expected={"trace": "REG010 warning", "ep": "GRF007 note", "epd": "REG010 warning"})
class DeadResult(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(6, 6)
        self.extra = nn.Linear(6, 6)
        self.head = nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.body(x)
        self.extra(x)
        return self.head(x)


@twin(values(6), expected=everywhere("REG010 warning", GRAPHS, script="GRF015 note"))
class MemoryOff(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(6, 6)
        self.memory = nn.Linear(6, 6)
        self.use_memory = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.body(x)
        if self.use_memory:
            x = self.memory(x)
        return x


@twin(values(6), expected={"ep": "GRF007 note"})
class MaskedInVain(nn.Module):
    """Masks a copy that nobody keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(6, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.body(x)
        x.masked_fill(x < 0, 0.0)
        return x


@twin(values(6), expected=everywhere("GRF008 note", ("script", "ep", "epd")))
class ForwardCalled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 6), nn.ReLU())
        self.head = nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body.forward(x))


# ---- layers and scores used for what they are not -----------------------------------------------


@twin(image(3, 8), expected=everywhere("GRF010 warning", ALL))
class OneNormForTwo(nn.Module):
    """A ResNet block with one batch norm where there should be two."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.conv1 = nn.Conv2d(4, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        y = F.relu(self.norm(self.conv1(x)))
        y = F.relu(x + self.norm(self.conv2(y)))
        return self.head(y.mean((2, 3)))


@twin(values(6), expected=everywhere("GRF011 warning", ALL))
class SoftmaxTwice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 4), nn.Softmax(-1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.log_softmax(self.body(x), -1)


@twin(values(6), expected=everywhere("GRF012 note", ALL))
class LogOfSoftmax(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 4), nn.Softmax(-1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.log(self.body(x))


@twin(values(6), expected=everywhere("GRF013 warning", ALL))
class SoftmaxOfOne(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.softmax(self.body(x), -1)


def to_gpu(path: pathlib.Path) -> None:
    """Edits the device that a program names, as if it had been made beside a GPU."""
    if path.suffix == ".pt":
        edit_code(path, 'torch.device("cpu")', 'torch.device("cuda:0")')
        return
    members = read_members(path.read_bytes())
    edits = 0
    for member in members:
        if "/models/" not in member.name or not member.name.endswith(".json"):
            continue
        old, new = (b'"as_device": {"type": "%s", "index": %s}' % pair
                    for pair in ((b"cpu", b"null"), (b"cuda", b"0")))
        edits += member.content().count(old)
        member.replace(member.content().replace(old, new))
    if edits == 0:
        raise ValueError("no device is named in the program")
    path.write_bytes(archive_of(members))


@twin(values(6), expected=everywhere("DEV003 error"), forms=GRAPHS, edit=to_gpu)
class DeviceEdited(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pad = torch.zeros(x.size(0), 2, device=x.device)
        return self.body(torch.cat([x, pad], 1))
