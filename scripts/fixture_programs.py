"""Helpers of the recipes for programs of torch.export: save them in bytes that never change, and edit
the JSON in them without leaving torch's own layout. The archive itself is fixture_tools' matter.

torch.export.save is reproducible when it writes to a buffer, except for two things: every node carries
the Python stack that made it, with the paths of this machine; and after run_decompositions() also the
nodes that it was made from, with the address of their graph in memory."""

import io
import json
import pathlib
import re
import zipfile
from collections.abc import Callable, Iterator

import torch

from fixture_tools import ROOT, archive_of, edit_member, public_path, read_members, sign

PROGRAM = "models/model.json"
WEIGHTS = "data/weights/model_weights_config.json"
CONSTANTS = "data/constants/model_constants_config.json"


def save_program(path: pathlib.Path, exported: torch.export.ExportedProgram,
                 decomposed: bool = False) -> None:
    """torch.export.save with reproducible bytes: the stacks of the nodes have paths relative to the
    repository, torch's own lie under a usual site-packages, and frames of these scripts are left out.
    `decomposed` saves the program in core ATen, as compilers want it."""
    if decomposed:
        exported = exported.run_decompositions()
    buffer = io.BytesIO()
    torch.export.save(exported, buffer)
    write_public(path, buffer.getvalue())


def save_programs(path: pathlib.Path, programs: dict[str, torch.export.ExportedProgram]) -> None:
    """Several programs in one archive, by name."""
    from torch.export.pt2_archive._package import package_pt2

    buffer = io.BytesIO()
    package_pt2(buffer, exported_programs=programs)
    write_public(path, buffer.getvalue())


def write_public(path: pathlib.Path, content: bytes) -> None:
    members = read_members(content)
    for member in members:
        if re.search(r"/models/[^/]+\.json$", member.name):
            document = json.loads(member.content())
            make_public(document)
            member.replace(json.dumps(document).encode())
    sign(members)
    path.write_bytes(archive_of(members))


def save_older_program(path: pathlib.Path, exported: torch.export.ExportedProgram,
                       changes: dict[str, bytes] | None = None, deflated: bool = False) -> None:
    """In the layout of torch before 2.8, a plain zip; `changes` replaces members. torch still reads it."""
    # Private parts of torch, loaded where they are needed: they are slow.
    from torch._export.serde.schema import SCHEMA_VERSION
    from torch._export.serde.serialize import serialize

    artifact = serialize(exported)
    document = json.loads(artifact.exported_program)
    make_public(document)
    members = {"serialized_exported_program.json": json.dumps(document).encode(),
               "serialized_state_dict.pt": artifact.state_dict,
               "serialized_constants.pt": artifact.constants,
               "serialized_example_inputs.pt": artifact.example_inputs,
               "version": ".".join(map(str, SCHEMA_VERSION)).encode(), **(changes or {})}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)  # of a fixed date
            info.compress_type = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
            archive.writestr(info, content)


def make_public(document: dict) -> None:
    """Rewrites what the nodes know of the machine and the process that made them."""
    graphs: dict[str, int] = {}  # numbers by address

    def numbered(found: re.Match) -> str:
        return found[1] + str(graphs.setdefault(found[2], len(graphs)))

    for part in objects_in(document):
        if "stack_trace" in part:
            part["stack_trace"] = public_traceback(part["stack_trace"])
        if "from_node" in part:
            part["from_node"] = re.sub(r'("graph_id": )(\d+)', numbered, part["from_node"])


def public_traceback(text: str) -> str:
    """A Python traceback, outermost frame first: `File "net.py", line 3, in forward` and its code."""
    frames = re.split(r'^ *(?=File ")', text, flags=re.MULTILINE)
    kept = []
    for frame in frames:
        file = re.match(r'File "([^"]*)"', frame)
        if file is None or not file[1].startswith((str(ROOT / "scripts"), "<frozen ")):
            kept.append(re.sub(r'(?<=^File ")[^"]*', lambda name: public_path(name[0]), frame))
    return "  ".join(kept[1:] if not frames[0] else kept)


def objects_in(document: object) -> Iterator[dict]:
    """Every object of a JSON document, however deep."""
    left = [document]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            yield part
        left.extend(part.values() if isinstance(part, dict) else part if isinstance(part, list) else [])


# ---- editing -----------------------------------------------------------------------------------


def edit_program(path: pathlib.Path, edit: Callable[[dict], None], member: str = PROGRAM) -> None:
    """Lets `edit` change the program's JSON, or that of another member, in place."""

    def edited(content: bytes) -> bytes:
        document = json.loads(content)
        edit(document)
        return json.dumps(document).encode()

    edit_member(path, member, edited)


def device_object(device: str) -> dict:
    kind, _, index = device.partition(":")
    return {"type": kind, "index": int(index) if index else None}


def name_device(path: pathlib.Path, device: str) -> None:
    """Changes the devices that the program's operators are given."""

    def edit(document: dict) -> None:
        literals = [part for part in objects_in(document) if "as_device" in part]
        if not literals:
            raise ValueError(f"{path.name}: the program names no device")
        for part in literals:
            part["as_device"] = device_object(device)

    edit_program(path, edit)


def place_on(path: pathlib.Path, config: str, device: str) -> None:
    """Changes the device of all tensors of a config: WEIGHTS or CONSTANTS."""

    def edit(document: dict) -> None:
        for entry in document["config"].values():
            entry["tensor_meta"]["device"] = device_object(device)

    edit_program(path, edit, config)
