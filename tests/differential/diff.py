#!/usr/bin/env python3
"""What `torchvet diff NEW --against OLD` says, against what load_state_dict of torch does.

    diff.py --program TORCHVET

"breaking" must mean that a strict load of NEW's state into OLD's model raises, "compatible" that every
tensor arrives with the type and the numbers that NEW has, "unknown" that the load does not raise. Held
against torch are every pair of element types and of layouts, shapes, names with and without wrappers,
BatchNorm with and without `_metadata`, extra states, models at random, and each container against each.

Without torch nothing can be compared: exit 77, which CTest counts as skipped."""

import argparse
import copy
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest
import warnings

try:
    import torch
    import torch.distributed.checkpoint as dcp
    from safetensors.torch import load_file, save_file
    from torch import nn
except ImportError:
    print("this Python lacks torch or safetensors")
    sys.exit(77)

TYPES = [name for name in (
    "uint8 int8 int16 int32 int64 uint16 uint32 uint64 float16 bfloat16 float32 float64 complex32 "
    "complex64 complex128 bool float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz "
    "float8_e8m0fnu float4_e2m1fn_x2 bits8 bits16 bits1x8 bits2x4 bits4x2").split()
    if hasattr(torch, name)]
PROGRAM = ""


def of_type(name: str) -> torch.Tensor:
    dtype = getattr(torch, name)
    return torch.full((4 * dtype.itemsize,), 1, dtype=torch.uint8).view(dtype)


def of_every_type() -> dict[str, torch.Tensor]:
    found = {name: of_type(name) for name in TYPES}
    for name in ("quint8", "qint8", "qint32"):
        found[name] = torch.quantize_per_tensor(torch.ones(4), 0.5, 0, getattr(torch, name))
    return found


def holder(state: dict[str, object]) -> nn.Module:
    """A module whose state_dict has these names and tensors."""
    root = nn.Module()
    for name, tensor in state.items():
        *path, leaf = name.split(".")
        module = root
        for part in path:
            if part not in module._modules:
                module.add_module(part, nn.Module())
            module = module._modules[part]
        module.register_buffer(leaf, tensor.clone())
    return root


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    if a.dtype != b.dtype or a.layout != b.layout:
        return False
    if a.is_sparse or a.layout != torch.strided:
        a, b = a.to_dense(), b.to_dense()
    if a.is_quantized:
        a, b = a.int_repr(), b.int_repr()
    a, b = a.contiguous().reshape(-1), b.contiguous().reshape(-1)
    return bool(torch.equal(a.view(torch.uint8), b.view(torch.uint8)))


def truth(model: nn.Module, state: dict[str, object]) -> str:
    """What torch does with the state: it raises, or converts, or takes it as it is."""
    model = copy.deepcopy(model)
    try:
        model.load_state_dict(state, strict=True)
    except (RuntimeError, NotImplementedError):
        return "breaking"
    now = model.state_dict()
    exact = all(same(now[name], tensor) for name, tensor in state.items()
                if isinstance(tensor, torch.Tensor)) and set(now) == set(state)
    return "compatible" if exact else "unknown"


def diff(new: pathlib.Path, old: pathlib.Path, *options: str) -> dict:
    run = subprocess.run([PROGRAM, "diff", str(new), "--against", str(old), "--json", "--isolated",
                          *options], capture_output=True, text=True, timeout=120, check=False)
    report = json.loads(run.stdout)
    report["code"] = run.returncode
    return report


class Diff(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        torch.manual_seed(0)
        warnings.simplefilter("ignore")

    def save(self, name: str, state: object) -> pathlib.Path:
        path = self.folder / name
        torch.save(state, path)
        return path

    def ask(self, new: object, old: object) -> dict:
        return diff(self.save("new.pt", new), self.save("old.pt", old))

    def agree(self, new: dict, model: nn.Module, *, exact: bool = True) -> dict:
        """The verdict on a state against a model is torch's; with `exact` its "unknown" too."""
        report = self.ask(new, model.state_dict())
        said, is_so = report["diff"]["compatibility"], truth(model, new)
        if exact or "breaking" in (said, is_so) or said == "compatible":
            self.assertEqual(said, is_so, report["diff"])
        gates = [one for one in report["findings"] if one["severity"] == "error"]
        self.assertEqual(report["code"], 1 if gates else 0)
        if said == "breaking":
            self.assertTrue(gates, report["diff"])
        if said == "compatible":
            self.assertEqual(report["findings"], [])
        return report

    def changes(self, new: dict, old: dict) -> dict[str, str]:
        report = self.ask(new, old)
        found = {name: "compatible" for name in new}
        for change in reversed(report["diff"]["changes"]):  # the worst comes first
            found[change["name"]] = change["compatibility"]
        return found

    def test_every_pair_of_types(self):
        tensors = of_every_type()
        pairs = {f"x.{into}.{kind}": (tensors[into].clone(), tensors[kind].clone())
                 for into in tensors for kind in tensors}
        found = self.changes({name: new for name, (_, new) in pairs.items()},
                             {name: old for name, (old, _) in pairs.items()})
        for name, (old, new) in pairs.items():
            with self.subTest(pair=name):
                is_so = truth(holder({"w": old}), {"w": new})
                if old.dtype != new.dtype and is_so == "compatible":
                    is_so = "unknown"
                self.assertEqual(found[name], is_so)

    def test_every_pair_of_layouts(self):
        dense = torch.ones(4, 4)
        forms = {"strided": dense, "coo": dense.to_sparse(), "csr": dense.to_sparse_csr(),
                 "bsr": dense.to_sparse_bsr((2, 2)), "meta": dense.to("meta")}
        for into, old in forms.items():
            for kind, new in forms.items():
                with self.subTest(into=into, kind=kind):
                    report = self.ask({"a.w": new}, {"a.w": old})
                    said = report["diff"]["compatibility"]
                    try:
                        holder({"w": old}).load_state_dict({"w": new})
                        raises = False
                    except (RuntimeError, NotImplementedError):
                        raises = True
                    if said != "unknown":
                        self.assertEqual(said == "breaking", raises)
                    if into == kind and into in ("strided", "coo"):
                        self.assertEqual(said, "compatible")

    def test_shapes(self):
        shapes = [(), (1,), (2,), (1, 1), (2, 1), (1, 2), (0,), (0, 3), (4, 3), (5, 3)]
        pairs = {f"x.p{i}_{j}": (torch.rand(old), torch.rand(new))
                 for i, old in enumerate(shapes) for j, new in enumerate(shapes)}
        found = self.changes({name: new for name, (_, new) in pairs.items()},
                             {name: old for name, (old, _) in pairs.items()})
        for name, (old, new) in pairs.items():
            with self.subTest(old=tuple(old.shape), new=tuple(new.shape)):
                try:
                    holder({"w": old}).load_state_dict({"w": new})
                    self.assertEqual(found[name], "compatible")
                except RuntimeError:
                    self.assertEqual(found[name], "breaking")

    def test_names(self):
        net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
        state = net.state_dict()
        without = {k: v for k, v in state.items() if k != "2.bias"}
        for new in (state, without, {**state, "3.weight": torch.ones(2)}, {**state, "extra": torch.ones(2)},
                    {f"module.{k}": v for k, v in state.items()},
                    {f"_orig_mod.{k}": v for k, v in state.items()},
                    {f"backbone.{k}": v for k, v in state.items()},
                    {k.replace("2.", "classifier."): v for k, v in state.items()},
                    {**without, "2.bias": "text"}, {**state, "version": 3},
                    dict(reversed(state.items()))):
            with self.subTest(names=list(new)):
                self.agree(new, net)
        self.agree({k.removeprefix("module."): v for k, v in state.items()},
                   nn.DataParallel(net))

    def test_renames_work(self):
        net = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
        inside = nn.ModuleDict({"backbone": net})
        models = [net, nn.DataParallel(net), torch.compile(net, backend="eager"), inside]
        states = [model.state_dict() for model in models]
        for model in models:
            for state in states:
                plain = model is net or state is states[0]
                if not plain and (model is inside) != (state is states[3]):
                    continue  # a prefix on one side and a wrapper on the other: two differences
                report = self.agree(dict(state), model)
                findings = [one for one in report["findings"] if one["code"] == "CTR001"]
                if list(state) == list(model.state_dict()):
                    self.assertEqual(findings, [])
                    continue
                self.assertEqual(len(findings), 1)
                if not findings[0]["help"].startswith("rename the tensors"):
                    scope = {"state": dict(state), "torch": torch}
                    exec(findings[0]["help"], scope)
                    model.load_state_dict(scope["state"])
                self.assertEqual([one for one in report["findings"] if one["code"] != "CTR001"], [])

    def test_a_changed_shape_below_a_wrapper_is_seen(self):
        old = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)).state_dict()
        wider = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 3)).state_dict()
        new = {f"module.{k}": v for k, v in wider.items()}
        codes = {one["code"] for one in self.ask(new, old)["findings"]}
        self.assertEqual(codes, {"CTR001", "CTR003", "CTR004"})

    def test_batch_norm_without_its_count(self):
        net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
        state = net.state_dict()
        plain = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
        del state["1.num_batches_tracked"]
        self.assertEqual(self.agree(plain, net)["diff"]["compatibility"], "unknown")
        self.assertEqual(self.agree(state, net)["diff"]["compatibility"], "breaking")

    def test_extra_states(self):
        class Extra(nn.Linear):
            def get_extra_state(self):
                return {"scale": 3}

            def set_extra_state(self, state):
                self.extra = state

        net = nn.Sequential(Extra(4, 4), nn.Linear(4, 4))
        state = net.state_dict()
        without = {k: v for k, v in state.items() if not k.endswith("_extra_state")}
        self.assertEqual(self.ask(state, state)["diff"]["compatibility"], "compatible")
        for new, model in ((without, net), (state, holder(without))):
            with self.assertRaises(RuntimeError):
                model.load_state_dict(new)
            self.assertEqual(self.ask(new, model.state_dict())["diff"]["compatibility"], "breaking")

    def test_weights_that_are_no_longer_tied(self):
        net = nn.ModuleDict({"embedding": nn.Embedding(20, 4), "head": nn.Linear(4, 20, bias=False)})
        net["head"].weight = net["embedding"].weight
        untied = {k: v.clone() for k, v in net.state_dict().items()}
        self.assertEqual(self.agree(dict(net.state_dict()), net)["diff"]["compatibility"], "compatible")
        self.assertEqual(self.agree(untied, net, exact=False)["diff"]["compatibility"], "unknown")

    def test_what_was_renamed(self):
        net = nn.Sequential(*(nn.Linear(4, 4) for _ in range(3)))
        state = net.state_dict()
        new = {k.replace("0.", "first."): v for k, v in state.items()}
        for options, numbers in (((), True), (("--no-values",), False)):
            report = diff(self.save("new.pt", new), self.save("old.pt", state), *options)
            renamed = {one["name"]: (one["renamed"], one["same_numbers"])
                       for one in report["diff"]["changes"] if one["change"] == "missing"}
            self.assertEqual(renamed, {"0.weight": ("first.weight", numbers),
                                       "0.bias": ("first.bias", numbers)})
        shuffled = {f"layer_{abs(hash(k)) % 97}_{k.replace('.', '_')}": v
                    for k, v in reversed(state.items())}
        report = self.ask(shuffled, state)
        found = {one["name"]: one.get("renamed") for one in report["diff"]["changes"]
                 if one["change"] == "missing"}
        for name, other in found.items():
            self.assertIs(shuffled[other], state[name])
        self.assertEqual(len(found), 6)

    def test_models_at_random(self):
        draw = random.Random(7)
        for seed in range(150):
            state = {f"{draw.choice('abc')}.{draw.choice('defg')}.w{i}":
                     torch.rand(draw.choice([(2, 3), (3, 2), (4,), ()]))
                     for i in range(draw.randint(1, 8))}
            new = dict(state)
            for _ in range(draw.randint(0, 3)):
                name = draw.choice(list(new)) if new else "a.b"
                what = draw.randint(0, 5)
                if what == 0:
                    new.pop(name, None)
                elif what == 1:
                    new[f"{name}_{seed}"] = torch.rand(3)
                elif what == 2 and name in new:
                    new[name] = new[name].to(draw.choice([torch.float16, torch.int32, torch.float64]))
                elif what == 3 and name in new:
                    new[name] = torch.rand(draw.choice([(2, 3), (4,), (1,)]))
                elif what == 4 and name in new:
                    new[name + "x"] = new.pop(name)
            if not any(tensor.is_floating_point() for tensor in new.values()):
                continue
            with self.subTest(seed=seed, old=list(state), new=list(new)):
                # float to float64 is exact in numbers and still another type
                self.agree(new, holder(state))

    def test_each_container_against_each(self):
        class Net(nn.Module):
            def __init__(self, words: int):
                super().__init__()
                self.table = nn.Embedding(words, 4)
                self.norm = nn.BatchNorm1d(4)
                self.head = nn.Linear(4, words)

            def forward(self, x):
                return self.head(self.norm(self.table(x).sum(1)))

        def containers(net: nn.Module, name: str) -> list[tuple[pathlib.Path, dict]]:
            out = self.folder / name
            out.mkdir()
            x = torch.zeros(2, 3, dtype=torch.long)
            state = net.state_dict()
            torch.save(state, out / "state.pt")
            optimizer = torch.optim.Adam(net.parameters())
            torch.save({"model": state, "optimizer": optimizer.state_dict(), "epoch": 1}, out / "ckpt.pt")
            torch.save(state, out / "legacy.pt", _use_new_zipfile_serialization=False)
            save_file(state, out / "state.safetensors")
            torch.jit.script(net).save(out / "script.pt")
            torch.export.save(torch.export.export(net, (x,)), out / "program.pt2")
            dcp.save({"model": state}, checkpoint_id=out / "dcp")
            return [
                (out / "state.pt", torch.load(out / "state.pt")),
                (out / "ckpt.pt", torch.load(out / "ckpt.pt")["model"]),
                (out / "legacy.pt", torch.load(out / "legacy.pt")),
                (out / "state.safetensors", load_file(out / "state.safetensors")),
                (out / "script.pt", torch.jit.load(out / "script.pt").state_dict()),
                (out / "program.pt2", torch.export.load(out / "program.pt2").state_dict),
                (out / "dcp", state),
            ]

        small, large = Net(12).eval(), Net(15).eval()
        olds, others = containers(small, "small"), containers(large, "large")
        for old, _ in olds:
            for new, state in olds + others:
                with self.subTest(old=old.name, new=str(new.relative_to(self.folder))):
                    report = diff(new, old)
                    self.assertEqual(report["diff"]["compatibility"], truth(small, state))
                    self.assertEqual([artifact["gaps"] for artifact in report["artifacts"]], [[], []])


def main() -> None:
    global PROGRAM
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    options, rest = parser.parse_known_args()
    PROGRAM = str(pathlib.Path(options.program).resolve())
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
