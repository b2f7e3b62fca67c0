#!/usr/bin/env python3
"""Programs of torch.export as torchvet reads them against torch's own loader.

For programs made here with real torch, fresh and decomposed, and for the `.pt2` files below the folders
given:
1. tensors: parameters, buffers and constants by name, with dtype, shape, strides, offset in the
   storage, requires_grad, device and values;
2. reads: the parameters and buffers that operators read, through graphs inside graphs, are the
   placeholders that have users;
3. operators: as often as torch has them, with the overload and the whole Python stack of each.

Left out on both sides are nodes that only move values: `getitem` of an operator with several results,
which the file does not hold; and an operator around a graph that runs once where it stands, whose graph
torchvet puts in its place. A file that names an accelerator is compared where torch finds one.

usage: exported.py --program TORCHVET [FOLDER...]
"""

import argparse
import collections
import json
import operator
import pathlib
import re
import subprocess
import sys
import tempfile
import warnings

try:
    import torch
    import torch.nn.functional as F
    from torch import nn
    from torch._higher_order_ops import map as torch_map
    from torch._higher_order_ops import while_loop
    from torch.export import Dim
    from torch.export.pt2_archive._package import load_pt2
    from torch_tensors import digest_of
except ImportError as problem:
    print(f"skipped: this Python has no torch ({problem}): set TORCHVET_PYTHON to one that has")
    sys.exit(77)

warnings.simplefilter("ignore")

IN_PLACE = {"wrap_with_set_grad_enabled", "wrap_with_autocast", "tag_activation_checkpoint",
            "strict_mode", "invoke_subgraph", "hints_wrapper", "wrap"}
OURS_ALONE = {"prim::ListConstruct", "prim::SetAttr"}


# ---- programs ----------------------------------------------------------------------------------


class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(2, 3, 3, padding="same")
        self.norm = nn.BatchNorm1d(3)
        self.drop = nn.Dropout(0.3)
        self.fc = nn.Linear(6, 4)
        self.layer_norm = nn.LayerNorm(4)
        self.lstm = nn.LSTM(4, 5, num_layers=2, bidirectional=True, batch_first=True, dropout=0.1)
        self.unused = nn.Linear(2, 2)

    def forward(self, x):
        x = self.drop(F.gelu(self.norm(self.conv(x))))
        return self.lstm(self.layer_norm(self.fc(x)))[0]


class Tokens(nn.Module):
    """Tied weights, and a parameter that is frozen."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(10, 4, padding_idx=0)
        self.gain = nn.Parameter(torch.ones(4), requires_grad=False)
        self.head = nn.Linear(4, 10, bias=False)
        self.head.weight = self.table.weight

    def forward(self, tokens):
        return self.head(self.table(tokens) * self.gain)


class Tensors(nn.Module):
    """Buffers of both kinds, constants, literals, views of one storage, other element types. (Where a
    buffer shares the storage of a parameter, torch's loader makes it ask for a gradient.)"""

    def __init__(self):
        super().__init__()
        whole = torch.randn(4, 6)
        self.rows, self.last = nn.Parameter(whole[1:3]), nn.Parameter(whole[3:, ::2])
        whole = torch.randn(4, 6)
        self.register_buffer("columns", whole.t()[2:])
        self.register_buffer("corner", whole[:2, :3])
        self.register_buffer("hidden", torch.randn(3), persistent=False)
        self.register_buffer("low", torch.randn(4).half())
        self.register_buffer("narrow", torch.randn(4).bfloat16())
        self.register_buffer("mask", torch.tensor([True, False, True, True]))
        self.register_buffer("count", torch.tensor(3))
        self.register_buffer("turn", torch.randn(4, dtype=torch.complex64))
        self.register_buffer("bytes", torch.arange(4, dtype=torch.uint8))
        self.register_buffer("none", torch.zeros(0, 4))
        self.plain = torch.randn(2, 4)
        self.spread = torch.randn(1, 4).expand(2, 4)

    def forward(self, x):
        x = F.linear(x, self.rows) + self.plain[:, :2] + self.spread.sum() + self.last.sum()
        x = x + self.hidden.sum() + self.low.float().sum() * self.narrow.float().mean()
        x = x + torch.tensor([0.5, 2.0]) + torch.where(self.mask, self.bytes, 0).sum() + self.count
        return x @ self.columns[:2, :2] + self.turn.real.sum() + self.none.sum()


class Inputs(nn.Module):
    """Arguments that are no tensors, a dict, a default."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x, times, scale, nothing, more, flag=True):
        x = self.fc(x) * times * scale
        for part in more["parts"]:
            x = x + part
        return {"y": x if flag else -x, "first": x[0], "more": (x.sum(), None)}


class Dynamic(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        x = x.reshape(x.shape[0] * 2, -1)
        half = x.shape[0] // 2
        return torch.cat([x[:half], torch.zeros(half, x.shape[1]), torch.arange(half * 2).view(-1, 2)])


class Branches(nn.Module):
    """A layer for each branch, and one `cond` inside another."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)
        self.register_buffer("shift", torch.randn(4))

    def forward(self, x):
        def inner(y):
            return torch.cond(y.mean() > 1, lambda z: self.b(z) + self.shift, lambda z: z * 2, (y,))

        x = torch.cond(x.sum() > 0, lambda y: self.a(y), inner, (x,))
        return self.c(x)


class Loop(nn.Module):
    def __init__(self):
        super().__init__()
        self.step = nn.Linear(4, 4)
        self.register_buffer("limit", torch.tensor(5))

    def forward(self, x):
        def goes_on(i, y):
            return i < self.limit

        def body(i, y):
            return i + 1, torch.relu(self.step(y))

        return while_loop(goes_on, body, (torch.tensor(0), x))[1]


class Rows(nn.Module):
    def __init__(self):
        super().__init__()
        self.step = nn.Linear(4, 2)

    def forward(self, x):
        return torch_map(lambda row, more: self.step(row) + more, x, torch.ones(2))


class WithoutGradient(nn.Module):
    """Graphs that run once where they stand, one inside the other."""

    def __init__(self):
        super().__init__()
        self.stem, self.mid, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        with torch.no_grad():
            x, y = self.stem(x).chunk(2, dim=-1)
            x = torch.cat([y, x], dim=-1)
            with torch.enable_grad():
                x = self.mid(x)
            x = x * 2
        with torch.autocast("cpu", dtype=torch.bfloat16):
            x = self.head(x)
        return x.float()


class Checkpointed(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        return torch.utils.checkpoint.checkpoint(lambda y: self.fc(y).relu(), x, use_reentrant=False)


LIBRARY = torch.library.Library("torchvet_test", "DEF")
LIBRARY.define("both(Tensor x, int k=2) -> (Tensor, Tensor)")
LIBRARY.impl("both", lambda x, k=2: (x * k, x + k), "CompositeExplicitAutograd")
torch.library.register_fake("torchvet_test::both", lambda x, k=2: (x * k, x + k), lib=LIBRARY)


class Custom(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        a, b = torch.ops.torchvet_test.both(self.fc(x), 3)
        parts = torch.split(a @ b, 1)
        return parts[0] + torch.stack(parts[1:]).sum(0), tuple(torch.topk(a, 2))


class Counting(nn.Module):
    """Writes to a buffer, and to its input."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(4))

    def forward(self, x):
        self.seen.add_(x.sum(0))
        x.mul_(2)
        return x + self.seen


def programs():
    """(name, net, positional arguments, dynamic shapes)."""
    row = torch.randn(4, 4)
    yield "layers", Layers().eval(), (torch.randn(2, 2, 6),), None
    yield "layers_train", Layers().train(), (torch.randn(2, 2, 6),), None
    yield "tokens", Tokens().eval(), (torch.tensor([[1, 2], [3, 4]]),), None
    yield "tensors", Tensors().eval(), (torch.randn(2, 6),), None
    yield "inputs", Inputs().eval(), (row, 3, 0.5, None, {"parts": [row, row + 1]}), None
    yield "dynamic", Dynamic().eval(), (row,), ({0: Dim("batch", min=2, max=64)},)
    yield "branches", Branches().eval(), (row,), None
    yield "loop", Loop().eval(), (row,), None
    yield "rows", Rows().eval(), (row,), None
    yield "without_gradient", WithoutGradient().eval(), (row,), None
    yield "checkpointed", Checkpointed().train(), (row,), None
    yield "custom", Custom().eval(), (row,), None
    yield "counting", Counting().eval(), (row,), None


def make(folder):
    torch.manual_seed(0)
    paths = []
    for name, net, arguments, shapes in programs():
        fresh = torch.export.export(net, arguments, dynamic_shapes=shapes)
        for suffix, program in (("", fresh), ("_decomposed", fresh.run_decompositions())):
            paths.append(folder / f"{name}{suffix}.pt2")
            torch.export.save(program, paths[-1])
    return paths


# ---- torch's side ------------------------------------------------------------------------------


def torch_tensors(program):
    """name -> facts of the parameters, buffers and constants, as the loader has them."""
    signature = program.graph_signature
    parameters, buffers = set(signature.parameters), set(signature.buffers)
    facts = {}
    for name, tensor in {**program.state_dict, **program.constants}.items():
        if not isinstance(tensor, torch.Tensor):
            continue
        role = "parameter" if name in parameters else "buffer" if name in buffers else "constant"
        facts[name] = {
            "role": role, "dtype": str(tensor.dtype).removeprefix("torch."),
            "shape": list(tensor.shape), "strides": list(tensor.stride()),
            "storage_offset": tensor.storage_offset(), "requires_grad": tensor.requires_grad,
            "is_parameter": role == "parameter", "device": str(tensor.device),
            "digest": digest_of(tensor)}
    return facts


def operator_name(target):
    if isinstance(target, torch._ops.OpOverload):
        overload = target._overloadname
        return target._schema.name, "" if overload == "default" else overload
    if isinstance(target, torch._ops.HigherOrderOperator):
        return f"higher_order::{target._name}", ""
    return f"{target.__module__.strip('_')}::{target.__name__}", ""


def frames_of(node):
    """(file, line, function), innermost first; generated code has no file."""
    found = re.findall(r'^ *File "([^"]*)", line (\d+), in (.*)$', node.meta.get("stack_trace") or "",
                       flags=re.MULTILINE)
    return tuple((file, int(line), function) for file, line, function in reversed(found)
                 if not file.startswith("<"))


class TorchGraph:
    def __init__(self, program):
        self.operators = collections.Counter()
        module = program.graph_module
        named = {**program.graph_signature.inputs_to_parameters, **program.graph_signature.inputs_to_buffers}
        used = self.walk(module)
        self.read = {path for name, path in named.items() if name in used}

    def walk(self, module):
        """Counts operators; the names of the placeholders that operators or results use."""
        used = set()
        for node in module.graph.nodes:
            if node.op == "output":
                used.update(arg.name for arg in node.all_input_nodes)
            elif node.op == "call_function":
                used.update(self.call(module, node))
        return used

    def call(self, module, node):
        if isinstance(node.target, torch._ops.HigherOrderOperator):
            return self.call_higher_order(module, node)
        several = (node.target is operator.getitem and isinstance(node.args[0], torch.fx.Node)
                   and isinstance(node.args[0].meta.get("val"), (tuple, list)))
        if not several:
            self.operators[(*operator_name(node.target), frames_of(node))] += 1
        return [arg.name for arg in node.all_input_nodes]

    def call_higher_order(self, module, node):
        name = node.target._name
        steering, graphs, operands = [], [], []
        for arg in node.args:
            if isinstance(arg, torch.fx.Node) and arg.op == "get_attr" and isinstance(
                    getattr(module, arg.target, None), torch.fx.GraphModule):
                graphs.append(getattr(module, arg.target))
            else:
                flat = arg if isinstance(arg, (tuple, list)) else [arg]
                (operands if graphs else steering).extend(flat)
        if not (name in IN_PLACE and len(graphs) == 1):
            self.operators[(*operator_name(node.target), frames_of(node))] += 1
        used = {arg.name for arg in steering if isinstance(arg, torch.fx.Node)}
        for graph in graphs:
            inner = self.walk(graph)
            placeholders = [inside for inside in graph.graph.nodes if inside.op == "placeholder"]
            for placeholder, operand in zip(placeholders, operands):
                if placeholder.name in inner and isinstance(operand, torch.fx.Node):
                    used.add(operand.name)
        return used


# ---- our side ----------------------------------------------------------------------------------


def torchvet_says(program, path):
    run = subprocess.run([program, "inspect", "--what", "tensors,graph", "--digests", "--format", "json",
                          str(path)], capture_output=True, text=True, check=False)
    report = json.loads(run.stdout or "{}")
    if run.returncode != 0:
        problem = report.get("gaps") or run.stderr.strip()
        raise RuntimeError(f"{path}: exit code {run.returncode}: {problem}")
    return report


def our_tensors(report):
    """Without those inside of objects and of tensors of other classes."""
    keys = ("role", "dtype", "shape", "strides", "storage_offset", "requires_grad", "is_parameter",
            "device", "digest")
    return {tensor["path"]: {key: tensor.get(key) for key in keys} for tensor in report["tensors"]
            if tensor["role"] != "other"}


def our_graph(graph):
    """What a loop is handed and carries on is read by its blocks' parameters, if at all."""
    operators, used = collections.Counter(), set()
    carried = collections.defaultdict(list)  # values that a block's parameter stands for
    for node in graph["nodes"]:
        frames = tuple((f["file"], f["line"], f["function"]) for f in node["frames"])
        if node["op"] not in OURS_ALONE:
            operators[node["op"], node["overload"], frames] += 1
        inputs = [one["value"] for one in node["inputs"]]
        if not node.get("blocks"):
            used.update(inputs[1:] if node["op"] == "prim::SetAttr" else inputs)
            continue
        operands = inputs
        if node["op"] == "higher_order::cond":
            used.update(inputs[:1])
            operands = inputs[1:]
        for block in node["blocks"]:
            for parameter, operand in zip(graph["blocks"][block]["parameters"], operands):
                carried[parameter].append(operand)
    for block in graph["blocks"]:
        used.update(block["results"])
    left = list(used)
    while left:
        for value in carried[left.pop()]:
            if value not in used:
                used.add(value)
                left.append(value)
    values = graph["values"]
    read = {values[i]["attribute"] for i in used if values[i].get("attribute")}
    return operators, read


# ---- comparing ---------------------------------------------------------------------------------


def compare(path, report):
    if len(report["graph"]) > 1:
        return compare_models(load_pt2(str(path)).exported_programs, report)
    return compare_models({"forward": torch.export.load(path)}, report)


def compare_models(programs, report):
    """Programs by the name that their graph has in the report. Where there are several, all paths begin
    with the name of the model."""
    wrong = []

    def same(what, ours, theirs):
        if ours != theirs:
            wrong.append(f"{what}:\n    ours   {ours}\n    torch  {theirs}")

    ours, theirs, operators_seen = our_tensors(report), {}, 0
    graphs = {graph["method"]: graph for graph in report["graph"]}
    same("graphs", sorted(graph["method"] for graph in report["graph"]), sorted(programs))
    for model, program in programs.items():
        prefix = f"{model}." if len(programs) > 1 else ""
        theirs.update({prefix + name: facts for name, facts in torch_tensors(program).items()})
        if model not in graphs:
            continue
        operators, read = our_graph(graphs[model])
        expected = TorchGraph(program)
        same("operators that torch does not have", operators - expected.operators, collections.Counter())
        same("operators that are missing", expected.operators - operators, collections.Counter())
        same("parameters and buffers that are read", sorted(read),
             sorted(prefix + path for path in expected.read))
        operators_seen += sum(operators.values())
    same("names of tensors", sorted(ours), sorted(theirs))
    for name in sorted(set(ours) & set(theirs)):
        same(f"`{name}`", ours[name], theirs[name])
    return wrong, len(theirs), operators_seen


def is_comparable(path):
    """The `bad_` files of one rule carry calls that the loader would make; of others torch makes no program,
    or zeros (containers.py)."""
    return not (path.parent.name in ("PKL001", "FMT007", "FMT015", "FMT021") and path.name.startswith("bad_"))


def needs_another_library(report):
    """True when an operator is of a namespace in which this torch has none."""
    known = {schema.name.split("::")[0] for schema in torch._C._jit_get_all_schemas()}
    used = {node["op"].split("::")[0] for graph in report["graph"] for node in graph["nodes"]}
    return bool(used - known - {"prim", "higher_order"})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("folders", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    failed = compared = tensors = operators = 0
    with tempfile.TemporaryDirectory() as name:
        paths = make(pathlib.Path(name))
        paths += [path for folder in options.folders for path in sorted(folder.rglob("*.pt2"))
                  if is_comparable(path)]
        for path in paths:
            try:
                wrong, some_tensors, some_operators = compare(path, torchvet_says(options.program, path))
            except AssertionError as problem:
                if "CUDA" not in str(problem):
                    raise
                print(f"torch refuses {path.name}: {problem}")
                continue
            except RuntimeError as problem:
                if not needs_another_library(torchvet_says(options.program, path)):
                    raise
                print(f"torch refuses {path.name}: {problem}")
                continue
            compared += 1
            tensors += some_tensors
            operators += some_operators
            failed += bool(wrong)
            for line in wrong:
                print(f"DIFFERENT {path.name}: {line}")
    print(f"{compared} programs, {tensors} tensors, {operators} operators compared; "
          f"{failed} programs differ")
    return 1 if failed or not compared else 0


if __name__ == "__main__":
    sys.exit(main())
