"""Files for graph.py: one program in each form in which TorchScript reaches a disk.

Every way to make one (traced, mixed, frozen, optimized, quantized, for mobile), every version of the
archive, and programs of libraries that this torch does not have: torch's own quantized operators and
classes, renamed in the file. The nets of the zoo that use the language of TorchScript come too.
"""

import dataclasses
import io
import pathlib
import sys

import torch
import torch.nn.functional as F
from torch import nn
from torch.ao import quantization

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/zoo"), str(ROOT / "scripts")]

import catalog  # noqa: E402
import nets_calls  # noqa: E402
import nets_types  # noqa: E402
from fixture_tools import archive_of, read_members  # noqa: E402

VERSIONS = range(1, 11)
UNREADABLE = (0, 11, 99)
# Dictionaries as results, and classes of the program, are nothing for the interpreter of phones.
NOT_MOBILE = ("dict_trace", "classes_frozen")
FOREIGN = "vendorlib"  # as long as the name in whose place it comes, for the source maps


@dataclasses.dataclass
class Case:
    path: pathlib.Path
    # The file that torch loads in its place: this one holds more than torch can tell.
    original: pathlib.Path | None = None
    foreign: bool = False  # the operators of FOREIGN in it are torch's own there
    refused: bool = False  # torch does not load it


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.drop = nn.Dropout(0.3)

    def forward(self, x: torch.Tensor):
        return self.drop(self.fc(x)) if bool(x.sum() > 0) else x


class TracedOver(nn.Module):
    """Traced, with a scripted module and a scripted function inside."""

    def __init__(self):
        super().__init__()
        self.gate = torch.jit.script(Gated())
        self.conv = nn.Conv1d(1, 1, 1)
        self.norm = nn.LayerNorm(4)

    def forward(self, x):
        x = self.conv(self.gate(x).unsqueeze(1)).squeeze(1)
        return torch.jit.script(nets_calls.gelu_twice)(self.norm(x), 3)


class ScriptedOver(nn.Module):
    def __init__(self, traced):
        super().__init__()
        self.traced = traced
        self.fc = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor):
        return self.fc(self.traced(x)) if x.dim() == 2 else x


class Image(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.up = nn.ConvTranspose2d(4, 4, 2)
        self.fc = nn.Linear(4, 2)
        self.drop = nn.Dropout(0.2)

    def forward(self, x):
        x = F.hardtanh(self.up(F.relu(self.norm(self.conv(x)))), 0.0, 6.0)
        return self.fc(self.drop(x.mean([2, 3])))

    @torch.jit.export
    def features(self, x):
        return self.conv(x)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(10, 4)
        self.lstm = nn.LSTM(4, 4, 2, dropout=0.1)
        self.gru = nn.GRU(4, 4)
        self.cell = nn.LSTMCell(4, 4)
        self.fc = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor):
        x, _ = self.lstm(self.embedding(x))
        x, _ = self.gru(x)
        h, _ = self.cell(x[0])
        return self.fc(h)


class Static(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant = quantization.QuantStub()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(4, 2)
        self.add = torch.ao.nn.quantized.FloatFunctional()
        self.dequant = quantization.DeQuantStub()

    def forward(self, x):
        x = self.relu(self.norm(self.conv(self.quant(x))))
        return self.dequant(self.fc(self.add.add(x, x).mean([2, 3])))


class Bag(nn.Module):
    def __init__(self):
        super().__init__()
        self.bag = nn.EmbeddingBag(10, 8, mode="sum", include_last_offset=True)

    def forward(self, x: torch.Tensor, offsets: torch.Tensor):
        return self.bag(x, offsets).sum()


class Interfaces(nn.Module):
    """The net of this name without its interface: torch does not inline calls through one."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(4, 4)
        self.layer = nets_calls.Doubling()

    forward = nets_calls.Interfaces.forward


class Old(nn.Module):
    """Every operator whose meaning a version of the archive changed."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor, n: int, h: float):
        y = self.fc(x)
        y = torch.div(y, x) + torch.div(y, 2) + y / 2.5 + torch.div(torch.ones(4), n)
        y /= x
        y = y + torch.div(y, x, out=torch.empty(3, 4)) + n / 2 + h
        y = y + torch.full([4], 1) + torch.full([4], 2.0) + torch.full([4], 1, dtype=torch.float)
        y = y + torch.linspace(0, 1, steps=4) + torch.logspace(0.0, 1.0, steps=4)
        return F.gelu(y)


def static():
    net = Static().eval()
    net.qconfig = quantization.get_default_qconfig("fbgemm")
    net = quantization.fuse_modules(net, [["conv", "norm", "relu"]])
    net = quantization.prepare(net)
    net(torch.randn(2, 3, 8, 8))
    return quantization.convert(net)


def by_fx():
    from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx
    example = (torch.randn(2, 3, 8, 8),)
    net = prepare_fx(Image().eval(), quantization.get_default_qconfig_mapping("fbgemm"), example)
    net(*example)
    return convert_fx(net)


def dynamic(net, *kinds, dtype=torch.qint8):
    return quantization.quantize_dynamic(net.eval(), set(kinds), dtype=dtype)


def bag():
    net = Bag().eval()
    net.bag.qconfig = quantization.float_qparams_weight_only_qconfig
    return quantization.convert(quantization.prepare(net))


def dense():
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))


def forms():
    """The programs, each by a name."""
    rows, image, text = torch.randn(3, 4), torch.randn(2, 3, 8, 8), torch.randint(0, 10, (3, 2))
    rnn = (nn.LSTM, nn.GRU, nn.LSTMCell, nn.Linear)

    def script(net):
        return torch.jit.script(net.eval())

    def trace(net, example):
        return torch.jit.trace(net.eval(), example, check_trace=False)

    freeze, optimize = torch.jit.freeze, torch.jit.optimize_for_inference
    quantized = static()
    yield "traced_over", trace(TracedOver(), rows)
    yield "scripted_over", script(ScriptedOver(trace(TracedOver(), rows)))
    yield "image_frozen_methods", freeze(script(Image()), preserved_attrs=["features"])
    yield "image_trace_frozen", freeze(trace(Image(), image))
    yield "image_bfloat16", script(Image().to(torch.bfloat16))
    yield "recurrent", script(Recurrent())
    yield "recurrent_frozen", freeze(script(Recurrent()))
    yield "recurrent_optimized", optimize(script(Recurrent()))
    yield "dense_optimized", optimize(script(dense()))
    yield "dynamic", script(dynamic(dense(), nn.Linear))
    yield "dynamic_half", script(dynamic(dense(), nn.Linear, dtype=torch.float16))
    yield "dynamic_recurrent", script(dynamic(Recurrent(), *rnn))
    yield "dynamic_recurrent_trace", trace(dynamic(Recurrent(), *rnn), text)
    yield "static", script(quantized)
    yield "static_trace", trace(quantized, image)
    yield "static_frozen", freeze(script(quantized))
    yield "static_fx", script(by_fx())
    yield "bag", script(bag())
    yield "hooked_trace", trace(nets_calls.Hooked(), rows)
    yield "function", torch.jit.script(nets_calls.gelu_twice)
    yield "function_trace", torch.jit.trace(lambda x: torch.exp(x) + torch.ones(3, 4), rows)
    yield "dict_trace", torch.jit.trace(lambda x: {"a": x["q"] + 1}, ({"q": rows},), strict=False)
    yield "attributes_frozen", freeze(script(nets_types.Attributes()))
    yield "classes_frozen", freeze(script(nets_types.Classes()))
    yield "nests_frozen", freeze(script(nets_types.Nests()))
    yield "interfaces_frozen", freeze(script(nets_calls.Interfaces()))


def language_nets():
    for model in list(catalog.MODELS.values()):
        yield model.name, model.build()
    yield "no_forward", nets_calls.NoForward()
    yield "state_inside", nets_calls.StateInside()


def save_mobile(program, path):
    """With the code for the interpreter of phones beside that for everybody else."""
    program._save_for_lite_interpreter(str(path))


def edited(source, path, edit):
    members = read_members(source)
    for member in members:
        edit(member)
    path.write_bytes(archive_of(members))
    return path


def with_version(number):
    """Moves an archive of today to another version, with the code that it would have held."""
    def edit(member):
        if member.name.endswith("/.data/version"):
            member.replace(f"{number}\n".encode())
            if number < 6:
                member.name = member.name.replace("/.data/version", "/version")
        elif member.name.endswith("/version"):
            member.replace(f"{number}\n".encode())
        elif member.name.endswith(".py"):
            code = member.content().decode()
            if number < 9:  # the number of steps could be left out
                code = code.replace("torch.logspace(0., 1., 4)", "torch.logspace(0., 1.)")
            if number < 8:
                code = code.replace("torch.linspace(0, 1, 4)", "torch.linspace(0, 1)")
            if number < 3:
                code = f"op_version_set = {number}\n{code}"
            member.replace(code.encode())
    return edit


def foreign(member):
    """Torch's packed weights, and the operators on them, as those of a library."""
    if member.name.endswith((".py", ".pkl")):
        content = member.content()
        for old, new in ((b"torch.classes.quantized.", b"torch.classes." + FOREIGN.encode() + b"."),
                         (b"torch.classes.quantized\n", b"torch.classes." + FOREIGN.encode() + b"\n"),
                         (b"ops.quantized.", b"ops." + FOREIGN.encode() + b".")):
            content = content.replace(old, new)
        member.replace(content)


def make(folder):
    torch.manual_seed(0)
    cases = []
    for name, program in forms():
        cases.append(Case(folder / f"{name}.pt"))
        torch.jit.save(program, str(cases[-1].path))
        if isinstance(program, torch.jit.ScriptModule) and name not in NOT_MOBILE:
            cases.append(Case(folder / f"{name}.ptl"))
            save_mobile(program, cases[-1].path)
    for name, net in language_nets():
        for mode in (True, False):
            cases.append(Case(folder / f"{name}_{'train' if mode else 'eval'}.pt"))
            torch.jit.save(torch.jit.script(net.train(mode)), str(cases[-1].path))
            if name == "interfaces":
                cases[-1].original = folder / f"direct_{cases[-1].path.name}"
                torch.jit.save(torch.jit.script(Interfaces().train(mode)),
                               str(cases[-1].original))
    for name in ("dynamic", "static", "static_trace", "static_frozen", "bag"):
        original = folder / f"{name}.pt"
        path = edited(original.read_bytes(), folder / f"{name}_foreign.pt", foreign)
        cases.append(Case(path, original=original, foreign=True))
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(Old()), buffer)
    for number in (*VERSIONS, *UNREADABLE):
        path = edited(buffer.getvalue(), folder / f"version_{number}.pt", with_version(number))
        cases.append(Case(path, refused=number in UNREADABLE))
    return cases
