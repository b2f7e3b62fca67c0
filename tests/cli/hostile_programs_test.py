#!/usr/bin/env python3
"""Programs made to hurt whoever reads them: each ends with a finding or a gap, in bounded time and
memory, and the file after it is judged as if it were alone.

usage: hostile_programs_test.py TORCHVET
"""

import json
import os
import pathlib
import pickle
import resource
import subprocess
import sys
import tempfile
import time
import unittest
import zipfile

TORCHVET = pathlib.Path(sys.argv.pop(1)).resolve()
FIXTURES = pathlib.Path(__file__).resolve().parent.parent.parent / "fixtures"
GOOD_EXPORT = FIXTURES / "MOD002/bad_batch_norm_export.pt2"
GOOD_SCRIPT = FIXTURES / "MOD002/bad_batch_norm.pt"
CODE = "MOD002"  # what must be said of both
SECONDS = 40
MEMORY = 1 << 30
# The worker links LibTorch, which maps more than that before it does anything.
WORKER_MEMORY = 8 << 30
WORKER_SECONDS = 4


def write_zip(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"net/{name}", content)


# ---- torch.export ------------------------------------------------------------------------------

EMPTY_CONFIG = '{"config": {}}'


def export(path, model, **more):
    write_zip(path, {"models/model.json": model, "data/weights/model_weights_config.json": EMPTY_CONFIG,
                     "data/constants/model_constants_config.json": EMPTY_CONFIG,
                     "archive_format": "pt2", "archive_version": "0", **more})


def tensor(name):
    return '{"as_tensor": {"name": "%s"}}' % name


def node(target, inputs, outputs, metadata="{}"):
    """inputs: JSON arguments."""
    named = ", ".join('{"name": "a", "arg": %s, "kind": 1}' % arg for arg in inputs)
    return '{"target": "%s", "inputs": [%s], "outputs": [%s], "metadata": %s}' % (
        target, named, ", ".join(tensor(name) for name in outputs), metadata)


def graph(nodes, result="x", inputs=("x",)):
    return '{"inputs": [%s], "outputs": [%s], "nodes": [%s], "tensor_values": {}}' % (
        ", ".join(map(tensor, inputs)), tensor(result), ",\n".join(nodes))


def program(nodes, result="x", extra=""):
    return ('{"graph_module": {"graph": %s, "signature": {"input_specs": [{"user_input": {"arg": %s}}], '
            '"output_specs": []}}, %s "schema_version": {"major": 8, "minor": 1}}'
            % (graph(nodes, result), tensor("x"), extra))


def sub_graphs(depth):
    inner = graph([])
    for _ in range(depth):
        arg = '{"as_graph": {"name": "g", "graph": %s}}' % inner
        inner = graph([node("torch.ops.higher_order.strict_mode", [arg, tensor("x")], ["x"])])
    return node("torch.ops.higher_order.strict_mode",
                ['{"as_graph": {"name": "g", "graph": %s}}' % inner, tensor("x")], ["y"])


def every_earlier_one(megabytes):
    """Each node takes all values before it."""
    nodes, size, names = [], 0, ["x"]
    while size < megabytes << 20:
        names.append(f"v{len(names)}")
        arg = '{"as_tensors": [%s]}' % ", ".join('{"name": "%s"}' % name for name in names[:-1])
        nodes.append(node("torch.ops.aten.cat.default", [arg], names[-1:]))
        size += len(nodes[-1])
    return program(nodes, names[-1])


def doubling(levels):
    """Sub graphs that run in place and hold two of the next each: harmless as text, if it is text."""
    inner = graph([])
    for _ in range(levels):
        arg = '{"as_graph": {"name": "g", "graph": %s}}' % inner
        inner = graph([node("torch.ops.higher_order.strict_mode", [arg, tensor("x")], ["x"])] * 2)
    return program([node("torch.ops.higher_order.strict_mode",
                         ['{"as_graph": {"name": "g", "graph": %s}}' % inner, tensor("x")], ["x"])])


LINEAR = "torch.ops.aten.add.Tensor"
BROKEN = {  # what must be found, by name
    "brackets": lambda: "[" * (10 << 20),
    "closed_brackets": lambda: "[" * (5 << 20) + "]" * (5 << 20),
    "braces": lambda: '{"graph_module":' * (1 << 19),
    "deep_sub_graphs": lambda: program([sub_graphs(100)]),
    "huge_integer": lambda: program([], extra='"opset_version": {"aten": %s},' % ("9" * (1 << 20))),
    "huge_size": lambda: program([node(LINEAR, ['{"as_int": 1e999}'], ["y"])]),
    "duplicate_keys": lambda: program([], extra='"verifiers": ["ATEN"], "verifiers": ["TRAINING"],'),
    "missing_value": lambda: program([node(LINEAR, [tensor("gone")], ["y"])], "y"),
    "own_result": lambda: program([node(LINEAR, [tensor("y")], ["y"])], "y"),
    "missing_result": lambda: program([], "gone"),
    "no_text": lambda: b"\xff\xfe{",
    "null": lambda: "null",
}
HEAVY = {  # sound, but meant to be slow; a gap is allowed, silence too
    "million_nodes": lambda: program(
        [node(LINEAR, [tensor(f"v{i}" if i else "x")], [f"v{i + 1}"]) for i in range(1_000_000)],
        "v1000000"),
    # Short enough for the limit of a JSON text; what they become does not fit into the memory left.
    "million_short_nodes": lambda: '{"graph_module": {"graph": {"inputs": [], "outputs": [], "nodes": [%s], '
        '"tensor_values": {}}, "signature": {"input_specs": []}}, "schema_version": {"major": 8}}' % ",".join(
            '{"target":"a.b","inputs":[],"outputs":[{"as_tensor":{"name":"v%d"}}]}' % i
            for i in range(1_000_000)),
    "million_unread": lambda: program([node(LINEAR, [tensor("x")], [f"v{i}"]) for i in range(300_000)]),
    "quadratic": lambda: every_earlier_one(20),
    "doubling": lambda: doubling(12),
    "long_stack": lambda: program([node(LINEAR, [tensor("x")], ["y"], json.dumps(
        {"nn_module_stack": ";".join(f"k,{'a.' * 300}b{i},C" for i in range(20_000)),
         "stack_trace": 'File "a", line 1, in f\n' * 200_000}))], "y"),
    "one_chain": lambda: program(
        [node("torch.ops.aten.view.default", [tensor("x" if i == 0 else f"v{i}")], [f"v{i + 1}"])
         for i in range(200_000)], "v200000"),
    "one_target": lambda: program(
        [node("torch.ops.aten.add_.Tensor", [tensor("x"), tensor("x")], [f"v{i}"])
         for i in range(200_000)]),
}


def write_configs(path):
    """A hundred thousand names of one record, one after the other larger."""
    entries = ", ".join(
        '"p%d": {"path_name": "weight_0", "is_param": true, "use_pickle": false, "tensor_meta": {"dtype": 7, '
        '"layout": 7, "requires_grad": true, "storage_offset": {"as_int": 0}, "device": {"type": "cpu", '
        '"index": null}, "sizes": [{"as_int": %d}], "strides": [{"as_int": 1}]}}' % (i, i)
        for i in range(100_000))
    export(path, program([]), **{"data/weights/weight_0": "",
                                 "data/weights/model_weights_config.json": '{"config": {%s}}' % entries})


def write_bomb(path):
    """An older layout, whose deflated weights would not fit into the memory that is left."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("version", "8.1")
        archive.writestr("serialized_exported_program.json", program([]))
        for name in ("state_dict", "constants", "example_inputs"):
            archive.writestr(f"serialized_{name}.pt", b"PK\3\4" + bytes(900 << 20))


# ---- TorchScript -------------------------------------------------------------------------------

CLASS = """class Net(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self: __torch__.Net,
    x: Tensor) -> Tensor:
"""
# Net() with training = False, as torch.jit.save pickles it.
DATA = b"\x80\x02c__torch__\nNet\nq\x00)\x81}X\x08\x00\x00\x00training\x89sb."


def script(path, body, **files):
    write_zip(path, {"data.pkl": DATA, "code/__torch__.py": CLASS + body, "constants.pkl": b"\x80\x02).",
                     "version": "3\n", **{f"code/__torch__/{k}.py": v for k, v in files.items()}})


def many_functions(count):
    """Each calls the one before it twice: 2 ** count calls when all are put in place."""
    text = "def f0(x: Tensor) -> Tensor:\n  return torch.relu(x)\n"
    for i in range(1, count):
        text += (f"def f{i}(x: Tensor) -> Tensor:\n  return torch.add(__torch__.more.f{i - 1}(x), "
                 f"__torch__.more.f{i - 1}(x))\n")
    return text


def deep_functions(count):
    return {f"m{i}": f"def f(x: Tensor) -> Tensor:\n  return __torch__.m{i + 1}.f(x)\n"
            for i in range(count)}


def deep_classes(count):
    return {f"c{i}": f"class C(Module):\n  __parameters__ = []\n  __buffers__ = []\n"
                     f"  a : __torch__.c{i + 1}.C\n" for i in range(count)}


def call(name):
    return f"    return __torch__.{name}(x)\n"


SCRIPTS = {
    "parentheses": ("    return " + "(" * (10 << 20) + "\n", {}),
    "closed_parentheses": ("    return " + "(" * (5 << 20) + "x" + ")" * (5 << 20) + "\n", {}),
    "minus": ("    return " + "-" * (2 << 20) + "x\n", {}),
    "nested_lists": ("    return " + "[" * 200_000 + "x" + "]" * 200_000 + "\n", {}),
    "itself": (call("Net.forward"), {}),
    "self_import": (call("a.f"), {"a": "def f(x: Tensor) -> Tensor:\n  return __torch__.a.f(x)\n"}),
    "import_cycle": (call("a.f"), {"a": "def f(x: Tensor) -> Tensor:\n  return __torch__.b.f(x)\n",
                                   "b": "def f(x: Tensor) -> Tensor:\n  return __torch__.a.f(x)\n"}),
    "deep_functions": (call("m0.f"), deep_functions(20_000)),
    "deep_classes": ("    y = annotate(Optional[__torch__.c0.C], None)\n    return x\n",
                     deep_classes(20_000)),
    "class_cycle": ("    y = annotate(Optional[__torch__.c0.C], None)\n    return x\n",
                    {"c0": deep_classes(1)["c0"].replace("c1", "c0")}),
    "doubling": (call("more.f60"), {"more": many_functions(61)}),
    "no_code": ("    \x00\xff\n", {}),
    "nested_blocks": ("".join("  " * (i + 2) + "if True:\n" for i in range(3000))
                      + "  " * 3002 + "y = x\n    return x\n", {}),
}
SOUND = {"nested_blocks"}  # which LibTorch reads, deep as it is


class Hostile(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return pathlib.Path(self.folder.name, name)

    def check(self, paths, memory, *flags, seconds=SECONDS):
        """The report of one run over files, by path."""
        def limit():
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

        run = subprocess.run([TORCHVET, "check", "--json", *flags, *map(str, paths)],
                             capture_output=True, timeout=seconds, check=False, preexec_fn=limit)
        self.assertIn(run.returncode, (0, 1, 3), run.stderr[-2000:])
        report = json.loads(run.stdout)
        by_path = {one["path"]: {**one, "findings": []} for one in report["artifacts"]}
        for finding in report["findings"]:
            by_path[finding["location"]["artifact"]]["findings"].append(finding)
        return by_path

    def expect_known(self, good, report):
        codes = {finding["code"] for finding in report[str(good)]["findings"]}
        self.assertIn(CODE, codes, report[str(good)])
        self.assertEqual(report[str(good)]["gaps"], [])

    def check_export(self, name, write, seconds=SECONDS):
        path = self.path(f"{name}.pt2")
        write(path)
        report = self.check([path, GOOD_EXPORT], MEMORY, seconds=seconds)
        path.unlink()
        self.expect_known(GOOD_EXPORT, report)
        return report[str(path)]

    def test_broken_exports(self):
        for name, model in BROKEN.items():
            with self.subTest(name):
                said = self.check_export(name, lambda path: export(path, model()))
                self.assertTrue(said["findings"] or said["gaps"])

    def test_heavy_exports(self):
        for name, model in HEAVY.items():
            with self.subTest(name):
                self.check_export(name, lambda path: export(path, model()))

    def test_heavy_configs(self):
        self.check_export("configs", write_configs)

    def test_bomb(self):
        said = self.check_export("bomb", write_bomb)
        self.assertTrue(said["gaps"])

    def test_hostile_pickle_deep_inside(self):
        inner = self.path("inner")
        with zipfile.ZipFile(inner, "w") as archive:
            archive.writestr("archive/data.pkl", b"cos\nsystem\n(Vecho\ntR.")
        said = self.check_export("inside", lambda path: export(
            path, program([]), **{"data/sample_inputs/model.pt": inner.read_bytes(),
                                  "data/constants/opaque_obj_0": pickle.dumps(1)}))
        places = [(one["code"], one["location"]["member"]) for one in said["findings"]]
        self.assertIn(("PKL001", "net/data/sample_inputs/model.pt/archive/data.pkl"), places)

    @unittest.skipUnless(TORCHVET.with_name("torchvet-graph").exists(), "built without the worker")
    def test_scripts(self):
        for name, (body, files) in SCRIPTS.items():
            with self.subTest(name):
                path = self.path(f"{name}.pt")
                script(path, body, **files)
                begin = time.monotonic()
                report = self.check([path, GOOD_SCRIPT], WORKER_MEMORY, "--limit",
                                    f"worker-seconds={WORKER_SECONDS}")
                self.assertLess(time.monotonic() - begin, SECONDS)
                said = report[str(path)]
                path.unlink()
                self.assertTrue(said["findings"] or said["gaps"] or name in SOUND)
                self.expect_known(GOOD_SCRIPT, report)

    @unittest.skipUnless(TORCHVET.with_name("torchvet-graph").exists(), "built without the worker")
    def test_unknown_namespace(self):
        path = self.path("unknown.pt")
        script(path, "    return ops.nobody_has_this.scale(x)\n")
        report = self.check([path, GOOD_SCRIPT], WORKER_MEMORY)
        said = report[str(path)]
        self.assertTrue(said["findings"] or said["gaps"])
        self.expect_known(GOOD_SCRIPT, report)


if __name__ == "__main__":
    unittest.main()
