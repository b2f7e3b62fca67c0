#!/usr/bin/env python3
"""TorchScript archives as torchvet reads them against torch's own loader.

For scripted, traced, frozen and quantized models, made here and in script_forms.py with real torch,
and for the archives given on the command line:
1. modules: paths, class names and `training` flags are those of `named_modules`;
2. parameters and buffers: names, shapes, dtypes and `requires_grad` of `named_parameters` and
   `named_buffers` (not the device: torch is told to load everything on the CPU);
3. graphs: of the same methods; the same operators, as often, as in torch's inlined graph; the same
   tensors of modules are read; and each operator comes from the same line of Python;
4. what torch does not load has a gap, and no graph; so has the bytecode of `.ptl` archives, of which
   all else is read.

torch's graph is the one it runs without optimizing, with every call inlined (script_graph.py); of it,
what the literals of the program exclude for certain is passed over, as torchvet does. Operators that
only move values about are left out on both sides.

usage: graph.py DUMP_SCRIPT WORKER [ARCHIVE_OR_FOLDER...]
"""

import collections
import json
import pathlib
import subprocess
import sys
import tempfile
import warnings
import zipfile

try:
    import torch
    import torch.nn.functional as F
    from torch import nn
except ImportError:
    print("this Python has no torch: set TORCHVET_PYTHON to one that has")
    sys.exit(77)

import script_forms
from script_forms import Case
from script_graph import PLUMBING, TorchGraph, place

warnings.simplefilter("ignore")


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.drop = nn.Dropout(0.5)
        self.register_buffer("scale", torch.ones(4))
        self.register_buffer("hidden", torch.ones(4), persistent=False)
        self.plain = torch.ones(4)

    def helper(self, x):
        return F.relu(x) + self.plain

    def forward(self, x):
        if self.training:
            x = x * self.scale
        return self.helper(self.drop(self.fc(x)))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = Block()
        self.stack = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.GELU())
        self.tied = self.stack[0]
        self.items = nn.ModuleList([nn.Linear(4, 4) for _ in range(2)])
        self.lstm = nn.LSTM(4, 4)
        self.frozen = nn.Parameter(torch.zeros(4), requires_grad=False)

    def forward(self, x):
        x = self.stack(self.block(x))
        for item in self.items:
            x = item(x)
        y, _ = self.lstm(x.unsqueeze(0))
        return F.linear(self.tied(x), torch.randn(4, 4)) + y.squeeze(0) + self.frozen

    @torch.jit.export
    def extra(self, x: torch.Tensor):
        return self.block.helper(x)


class MadeInForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = Block()

    def forward(self, x):
        return nn.Linear(4, 2)(self.block(x)) + torch.tensor(2.0)


class Convolutions(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True),
                                 nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 2))

    def forward(self, x):
        return self.net(x)


class Flow(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x, more: dict[str, torch.Tensor], start: torch.Tensor | None = None):
        future = torch.jit.fork(self.fc, x)
        y = x if start is None else start
        for _, value in more.items():
            y = y + torch.sigmoid(value)
        while bool(y.sum() < 3):
            y = torch.exp(y)
        assert y.dim() == 2, "bad"
        return torch.jit.wait(future) + y


LIBRARY = torch.library.Library("torchvet_test", "DEF")
LIBRARY.define("scaled(Tensor x, int k) -> Tensor")
LIBRARY.define("both(Tensor x) -> (Tensor, Tensor)")


class Custom(nn.Module):
    """Operators that the worker's LibTorch does not have."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        a, b = torch.ops.torchvet_test.both(self.fc(x))
        return torch.ops.torchvet_test.scaled(a, 3) @ b


def make(folder):
    torch.manual_seed(0)
    sample = torch.randn(3, 4)
    image = torch.randn(1, 3, 8, 8)
    shared = Net().eval()
    shared.block.train()
    quantized = torch.ao.quantization.quantize_dynamic(
        nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)), {nn.Linear})
    programs = {
        "scripted": torch.jit.script(Net()),
        "scripted_eval": torch.jit.script(Net().eval()),
        "mixed": torch.jit.script(shared),
        "traced": torch.jit.trace(Net().eval(), sample, check_trace=False),
        "traced_train": torch.jit.trace(Net(), sample, check_trace=False),
        "made_in_forward": torch.jit.trace(MadeInForward(), sample, check_trace=False),
        "conv_scripted": torch.jit.script(Convolutions()),
        "conv_traced": torch.jit.trace(Convolutions().eval(), image),
        "conv_frozen": torch.jit.freeze(torch.jit.script(Convolutions().eval())),
        "frozen": torch.jit.freeze(torch.jit.script(Net().eval())),
        "quantized": torch.jit.script(quantized),
        "quantized_frozen": torch.jit.freeze(torch.jit.script(quantized.eval())),
        "flow": torch.jit.script(Flow()),
        "custom": torch.jit.script(Custom()),
    }
    for name, program in programs.items():
        torch.jit.save(program, str(folder / f"{name}.pt"))
    return [Case(folder / f"{name}.pt") for name in programs]


def without_source_maps(path):
    stripped = path.with_name("no_maps.pt")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(stripped, "w") as new:
        for member in old.infolist():
            if not member.filename.endswith(".debug_pkl"):
                new.writestr(member.filename, old.read(member))
    return stripped


def compare_places_in_code(dump):
    """Without source maps every operator has a line of the archive's own code."""
    return [f"{node['op']} has no place in the code" for graph in dump["graphs"]
            for node in graph["nodes"]
            if not node["frames"] or not node["frames"][0]["file"].startswith("code/__torch__")]


def our_graph(graph):
    operators, read = collections.Counter(), set()
    for node in graph["nodes"]:
        frames = node["frames"]
        where = place(frames[0]["file"], frames[0]["line"]) if frames else ""
        if not PLUMBING.match(node["op"]):
            operators[node["op"], "" if node["op"] == "prim::SetAttr" else where] += 1
        for used in node["inputs"]:
            value = graph["values"][used["value"]]
            path = value.get("attribute", "CONSTANTS.")  # parts of those are no attributes for torch
            if (value["type"] in ("tensor", "list", "tuple", "other")
                    and not path.startswith("CONSTANTS.")):
                read.add(path)
    return operators, read


NOT_LOOKED_AT = "its instructions, which the lite interpreter runs in place of code/, are not looked at"


def tensor_facts(named):
    return {name: {"shape": list(t.shape), "dtype": str(t.dtype).removeprefix("torch."),
                   "requires_grad": t.requires_grad}
            for name, t in named}


def registered(dump, what):
    names = [(module["path"] + "." if module["path"] else "") + name
             for module in dump["modules"] for name in module[what]]
    return {name: {key: value for key, value in dump["tensors"][name].items() if key != "device"}
            for name in names}


def methods_of(loaded):
    names = [name for name in loaded._c._method_names() if not name.startswith("__")]
    return sorted(names, key=lambda name: (name != "forward", name))


def compare(case, dump):
    if case.refused:
        return [] if dump["gaps"] and not dump["graphs"] else ["read, though torch does not load it"]
    loaded = torch.jit.load(str(case.original or case.path), map_location="cpu")
    wrong = []

    def same(what, ours, theirs):
        if ours != theirs:
            wrong.append(f"{what}:\n    ours   {ours}\n    torch  {theirs}")

    same("gaps", [gap.partition("/bytecode.pkl: ")[2] or gap for gap in dump["gaps"]],
         [NOT_LOOKED_AT] if case.path.suffix == ".ptl" else [])
    has_flag = {module["path"] for module in dump["modules"] if module["training"] is not None}
    same("modules", {m["path"]: m["class"].rsplit(".", 1)[-1] for m in dump["modules"]},
         {name: m.original_name for name, m in loaded.named_modules(remove_duplicate=False)})
    same("training", {m["path"]: m["training"] for m in dump["modules"] if m["path"] in has_flag},
         {name: m.training for name, m in loaded.named_modules(remove_duplicate=False)
          if hasattr(m, "training") and name in has_flag})
    same("parameters", registered(dump, "parameters"),
         tensor_facts(loaded.named_parameters(remove_duplicate=False)))
    same("buffers", registered(dump, "buffers"),
         tensor_facts(loaded.named_buffers(remove_duplicate=False)))

    same("methods", [graph["method"] for graph in dump["graphs"]], methods_of(loaded))
    for graph in dump["graphs"]:
        operators, read = our_graph(graph)
        theirs = TorchGraph(loaded, graph["method"], foreign=case.foreign)
        nothing = collections.Counter()
        same(f"operators of {graph['method']}: too many", operators - theirs.operators, nothing)
        same(f"operators of {graph['method']}: missing", theirs.operators - operators, nothing)
        same(f"tensors read by {graph['method']}", sorted(read - theirs.others), sorted(theirs.read))
    return wrong


def programs_below(place):
    """The TorchScript archives in a folder that torch can load, or the one archive."""
    found = []
    for path in sorted(place.rglob("*.*")) if place.is_dir() else [place]:
        try:
            with zipfile.ZipFile(path) as archive:
                names = {member.partition("/")[2] for member in archive.namelist()}
            if "constants.pkl" in names:
                torch.jit.load(str(path), map_location="cpu")
                found.append(Case(path))
        except (OSError, zipfile.BadZipFile):
            pass
        except (RuntimeError, IndexError) as error:  # broken, or of a class that this build of torch lacks
            if not path.name.startswith("bad_") and "torch.classes." not in str(error):
                raise
    return found


def main():
    program, worker, *archives = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        made = pathlib.Path(name) / "forms"
        made.mkdir()
        cases = make(pathlib.Path(name)) + script_forms.make(made)
        cases += [case for archive in archives for case in programs_below(pathlib.Path(archive))]
        cases.append(Case(without_source_maps(cases[0].path)))
        output = subprocess.run([program, worker, *(str(case.path) for case in cases)], check=True,
                                capture_output=True, text=True).stdout
        dumps = [json.loads(line) for line in output.splitlines()]
        assert len(dumps) == len(cases)
        failed = False
        for case, dump in zip(cases, dumps):
            path = case.path
            bare = path.name == "no_maps.pt"
            wrong = compare_places_in_code(dump) if bare else compare(case, dump)
            nodes = sum(len(graph["nodes"]) for graph in dump["graphs"])
            print(f"{'differs' if wrong else 'agrees '}  {path.name}: {len(dump['modules'])} "
                  f"modules, {len(dump['tensors'])} tensor names, {len(dump['graphs'])} graphs, "
                  f"{nodes} nodes")
            for line in wrong:
                print("  " + line)
            failed = failed or bool(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
