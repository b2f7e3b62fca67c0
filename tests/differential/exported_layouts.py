#!/usr/bin/env python3
"""Programs of torch.export in every layout that torch's loader accepts, as torchvet reads them.

Each is made here by torch's own serializer, and loaded by torch before it is compared:
1. the layout of torch 2.5 to 2.7, a zip of Python's zipfile with files of torch.save in it, stored and
   deflated, and the oldest names in it;
2. weights in a file of torch.save, as torch 2.8 wrote them in today's layout;
3. weights of a class of its own, which are pickled one by one; objects of both kinds;
4. several models in one archive, with the same names in both;
5. programs without the fields that came with later minor versions of the schema.

A sixth part has no loader left: programs as torch 2.1 to 2.4 wrote their JSON, made by taking today's
apart. Their tensors and graphs must be those of the program that they are made from.

usage: exported_layouts.py --program TORCHVET
"""

import argparse
import copy
import io
import json
import pathlib
import pickle
import sys
import tempfile
import zipfile

try:
    import torch
    from torch import nn
except ImportError as problem:
    print(f"skipped: this Python has no torch ({problem}): set TORCHVET_PYTHON to one that has")
    sys.exit(77)

import exported
from torch._export.serde.schema import SCHEMA_VERSION
from torch._export.serde.serialize import serialize
from torch.export.pt2_archive._package import load_pt2, package_pt2

DEFLATED = zipfile.ZIP_DEFLATED
NEW_NAMES = ("serialized_state_dict.pt", "serialized_constants.pt")
OLD_NAMES = ("serialized_state_dict.json", "serialized_constants.json")


class Marked(torch.Tensor):
    """A tensor of a class of its own."""


class WithMarked(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3)
        self.gain = nn.Parameter(torch.randn(3), requires_grad=False)

    def forward(self, x):
        return self.fc(x) * self.gain


# ---- writing -----------------------------------------------------------------------------------


def save_older(path, program, compression=zipfile.ZIP_STORED, names=NEW_NAMES, edit=None):
    """As torch.export.save did before 2.8; `edit` changes the program's JSON."""
    artifact = serialize(program)
    document = artifact.exported_program
    if edit:
        document = json.dumps(edit(json.loads(document))).encode()
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("serialized_exported_program.json", document)
        archive.writestr(names[0], artifact.state_dict)
        archive.writestr(names[1], artifact.constants)
        archive.writestr("serialized_example_inputs.pt", artifact.example_inputs)
        archive.writestr("version", ".".join(map(str, SCHEMA_VERSION)))
        archive.writestr("extra_files/note.txt", "a note")


def rewrite(source, target, changes):
    """Writes an archive of torch again, with members changed, added, or left out where they are None."""
    reader = torch._C.PyTorchFileReader(str(source))
    records = {name: reader.get_record(name) for name in reader.get_all_records()}
    writer = torch._C.PyTorchFileWriter(str(target))
    writer.set_min_version(6)
    for name, content in {**records, **changes}.items():
        if content is not None and not name.startswith((".data", "byteorder")):
            writer.write_record(name, content, len(content))
    writer.write_end_of_file()


def save_weights_as_files(path, program):
    torch.export.save(program, path)
    artifact = serialize(program)
    rewrite(path, path.with_suffix(".new"), {
        "data/weights/model_weights_config.json": None,
        "data/constants/model_constants_config.json": None,
        "data/weights/model.pt": artifact.state_dict,
        "data/constants/model.pt": artifact.constants})
    path.with_suffix(".new").replace(path)


def save_pickled_weight(path, program):
    """One weight of another class. (The exporter takes the class off, so it is put on afterwards.)"""
    state = program.state_dict
    state["gain"] = nn.Parameter(torch.Tensor._make_subclass(Marked, state["gain"].detach()),
                                 requires_grad=False)
    torch.export.save(program, path)


def save_with_objects(path, program):
    torch.export.save(program, path)
    packed = torch.ops.quantized.linear_prepack(
        torch.quantize_per_tensor(torch.randn(3, 4), 0.1, 0, torch.qint8), torch.randn(3))
    entry = {"is_param": False, "use_pickle": True, "tensor_meta": None}
    config = {"config": {"packed": {"path_name": "custom_obj_0", **entry},
                         "limits": {"path_name": "opaque_obj_0", **entry}}}
    rewrite(path, path.with_suffix(".new"), {
        "data/constants/custom_obj_0": torch._C._pickle_save(packed),
        "data/constants/opaque_obj_0": pickle.dumps({"low": 0, "high": 1}),
        "data/constants/model_constants_config.json": json.dumps(config).encode()})
    path.with_suffix(".new").replace(path)


# ---- older schemas -----------------------------------------------------------------------------


def objects_in(document):
    left = [document]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            yield part
        left.extend(part.values() if isinstance(part, dict) else part if isinstance(part, list) else [])


def first_minor(document):
    """What the schema did not have when its major version became 8."""
    for key in ("torch_version", "guards_code", "verifiers"):
        document.pop(key, None)
    document["graph_module"].pop("treespec_namedtuple_fields", None)
    document["graph_module"].pop("metadata", None)
    for part in objects_in(document):
        if "nodes" in part:
            part.pop("is_single_tensor_return", None)
            part.pop("sym_float_values", None)
        if "target" in part:
            part.pop("name", None)
            part.pop("is_hop_single_tensor_return", None)
        if "arg" in part:
            part.pop("kind", None)
    document["schema_version"]["minor"] = 0
    return document


def schema_5(document):
    """torch 2.3: a dialect in place of verifiers, bare names for optional tensors in lists."""
    training = "TRAINING" in document.get("verifiers", [])
    document = first_minor(document)
    document["dialect"] = "TRAINING" if training else "ATEN"
    document["schema_version"] = {"major": 5, "minor": 1}
    for part in objects_in(document):
        for one in part.get("as_optional_tensors", []):
            if "as_tensor" in one:
                one["as_tensor"] = one["as_tensor"]["name"]
    return document


KINDS = ["as_none", "as_tensor", "as_tensors", "as_int", "as_ints", "as_float", "as_floats", "as_string",
         "as_strings", "as_sym_int", "as_sym_ints", "as_scalar_type", "as_memory_format", "as_layout",
         "as_device", "as_bool", "as_bools", "as_graph", "as_optional_tensors"]
SPECS = ["user_input", "parameter", "buffer", "tensor_constant"]


def schema_2(document):
    """torch 2.2: every kind of a union is there, and null but for one; one number for a version."""
    document = schema_5(document)
    document["schema_version"] = 2

    def widen(part, keys):
        (key, value), = part.items()
        part.clear()
        part.update({**dict.fromkeys(keys), key: [] if key == "as_none" else value})

    for part in list(objects_in(document)):
        if len(part) == 1 and next(iter(part)) in KINDS:
            widen(part, KINDS)
        elif len(part) == 1 and next(iter(part)) in SPECS:
            widen(part, SPECS)
        if "dtype" in part and "storage_offset" in part:
            part["storage_offset"] = part["storage_offset"]["as_int"]
    return document


def schema_1(document):
    """torch 2.1: tables for a signature, and a wrapper around what is known of a tensor."""
    document = schema_2(document)
    document["schema_version"] = 1
    module = document["graph_module"]
    module["graph"]["tensor_values"] = {
        name: {"meta": meta} for name, meta in module["graph"]["tensor_values"].items()}
    inputs = {"parameter": {}, "buffer": {}, "user_input": []}
    for spec in module["signature"]["input_specs"]:
        (kind, value), = [(kind, value) for kind, value in spec.items() if value is not None]
        if kind == "user_input":
            inputs[kind].append(value["arg"]["as_tensor"]["name"])
        else:
            inputs[kind][value["arg"]["name"]] = value[f"{kind}_name"]
    mutated, returned = {}, []
    for spec in module["signature"]["output_specs"]:
        (kind, value), = spec.items()
        if kind == "buffer_mutation":
            mutated[value["arg"]["name"]] = value["buffer_name"]
        else:
            returned.append(value["arg"]["as_tensor"]["name"])
    module["signature"] = {
        "inputs_to_parameters": inputs["parameter"], "inputs_to_buffers": inputs["buffer"],
        "user_inputs": inputs["user_input"], "user_outputs": returned, "buffers_to_mutate": mutated,
        "backward_signature": None}
    return document


# ---- the cases ---------------------------------------------------------------------------------


class Norm(nn.Module):
    """Without tensor constants, which torch 2.1 did not have."""

    def __init__(self):
        super().__init__()
        self.fc, self.norm = nn.Linear(4, 3), nn.BatchNorm1d(3)

    def forward(self, x, columns):
        return self.norm(self.fc(x))[:, columns]


def cases(folder):
    """(name, path, programs by graph, loads): `loads` tells that torch itself reads the file."""
    torch.manual_seed(0)
    made = {name: torch.export.export(net, arguments, dynamic_shapes=shapes)
            for name, net, arguments, shapes in exported.programs()}

    def one(name, save, program, loads=True):
        path = folder / f"{name}.pt2"
        save(path)
        return name, path, {"forward": torch.export.load(path) if loads else program}

    for name, program in made.items():
        compression, names = (DEFLATED, OLD_NAMES) if name in ("tensors", "layers") else (0, NEW_NAMES)
        for suffix, form in (("", program), ("_decomposed", program.run_decompositions())):
            yield one(f"older_{name}{suffix}",
                      lambda path: save_older(path, form, compression, names), form)
    for name in ("tokens", "tensors", "branches"):
        decomposed = made[name].run_decompositions()  # which torch takes for granted without verifiers
        yield one(f"first_minor_{name}",
                  lambda path: save_older(path, decomposed, edit=first_minor), decomposed)
        yield one(f"weight_files_{name}",
                  lambda path: save_weights_as_files(path, made[name]), made[name])

    row = torch.randn(2, 4)
    marked = torch.export.export(WithMarked().eval(), (row,))
    yield one("pickled_weight", lambda path: save_pickled_weight(path, marked), marked)
    yield one("objects", lambda path: save_with_objects(path, made["without_gradient"]), None)

    several = {name: copy.deepcopy(made[name]) for name in ("layers", "tensors", "tokens", "layers_train")}
    path = folder / "several.pt2"
    package_pt2(str(path), exported_programs=several, extra_files={"note": "a note"})
    yield "several", path, load_pt2(str(path)).exported_programs

    norm = torch.export.export(Norm().train(), (row, torch.tensor([0, 2]))).run_decompositions()
    for edit in (schema_5, schema_2, schema_1):
        yield one(edit.__name__, lambda path: save_older(path, norm, edit=edit), norm, loads=False)
    for edit in (schema_5, schema_2):
        yield one(f"{edit.__name__}_tensors",
                  lambda path: save_older(path, made["tensors"], edit=edit), made["tensors"], loads=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    options = parser.parse_args()
    failed = compared = tensors = operators = 0
    with tempfile.TemporaryDirectory() as name:
        for name, path, programs in cases(pathlib.Path(name)):
            report = exported.torchvet_says(options.program, path)
            wrong, some_tensors, some_operators = exported.compare_models(programs, report)
            compared += 1
            tensors += some_tensors
            operators += some_operators
            failed += bool(wrong)
            for line in wrong:
                print(f"DIFFERENT {name}: {line}")
    print(f"{compared} archives, {tensors} tensors, {operators} operators compared; {failed} differ")
    return 1 if failed or not compared else 0


if __name__ == "__main__":
    sys.exit(main())
