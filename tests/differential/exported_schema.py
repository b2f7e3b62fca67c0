#!/usr/bin/env python3
"""Programs of torch.export without one field, with a member that no union has, or with a value of
another shape: torchvet is content with exactly those that torch.export.load makes into a program.

    exported_schema.py --program TORCHVET

Each field of each sort of object in the JSON texts of real programs is taken away once, and changed
once; so every class of torch's schema that the programs use is held to what torch asks of it."""

import argparse
import json
import logging
import pathlib
import subprocess
import sys
import tempfile
import warnings

import damage

SHAPES = ([], {}, None)
# Texts that only torch.export.unflatten and the like look at; or that torch reads in another way
# than as a part of its schema: both sides are held to each other elsewhere.
FREE = ("metadata", "in_spec", "out_spec")
# Objects whose keys are names that the program gives.
TABLES = ("tensor_values", "sym_int_values", "sym_float_values", "sym_bool_values", "config",
          "range_constraints", "opset_version")


def objects(value, path=()):
    """(path, object) of all objects in a JSON value, those that free texts make left out."""
    if isinstance(value, dict):
        yield path, value
        for key, inner in value.items():
            if key not in FREE:
                yield from objects(inner, (*path, key))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from objects(inner, (*path, at))


def sort_of(path, value) -> tuple:
    """Objects of one class have the same fields, or are members of one union under one key."""
    named = [step for step in path if isinstance(step, str)]
    named = ["*" if before in TABLES else step for before, step in zip([""] + named, named)]
    inside = ("*",) if named and named[-1] in TABLES else tuple(sorted(value))
    return (inside, named[-1] if named else "")


def changed(document, path, key, new):
    """The document with another value at a place, or, without one, without the key."""
    copy = json.loads(json.dumps(document))
    inner = copy
    for step in path:
        inner = inner[step]
    if new is ...:
        del inner[key]
    elif new == "another key":
        inner["none_of_torch"] = inner.pop(key)
    else:
        inner[key] = new
    return copy


def copies(document, seen: set):
    """(what was done, the text) for each change that no program before has shown."""
    for path, value in objects(document):
        for key, inner in value.items():
            edits = [("without", ...)]
            if len(value) == 1 and key.startswith(("as_", "user_", "parameter", "buffer")):
                edits.append(("renamed", "another key"))
            if key == "as_int":
                edits.append(("below 0", -1))
            if isinstance(inner, (list, dict)):
                edits += [(f"as {shape!r}", shape) for shape in SHAPES
                          if type(shape) is not type(inner)]
            for name, new in edits:
                sort = sort_of(path, value)
                told = (sort, "" if sort[0] == ("*",) else key, name)
                if told not in seen:
                    seen.add(told)
                    yield f"{'.'.join(map(str, path))}: `{key}` {name}", changed(document, path, key, new)


def torch_loads(path: pathlib.Path) -> str:
    """Nothing, or why torch does not, or makes a program of it that is no module."""
    import torch

    try:
        torch.export.load(path).module()
    except Exception as problem:  # noqa: BLE001  whatever it is, the program does not load
        return f"{type(problem).__name__}: {problem}"[:200]
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    options = parser.parse_args()
    try:
        import exported
        import torch
    except ImportError as problem:
        print(f"skipped: {problem}")
        return 77
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")

    asked = refused = bad = 0
    seen: set = set()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        torch.manual_seed(0)
        for title, net, arguments, shapes in exported.programs():
            sound, copy = folder / f"{title}.pt2", folder / "copy.pt2"
            torch.export.save(torch.export.export(net, arguments, dynamic_shapes=shapes), sound)
            members = damage.members_of(sound.read_bytes())
            for at, (member, content) in enumerate(members):
                if not member.endswith(".json"):
                    continue
                for what, document in copies(json.loads(content), seen):
                    edited = list(members)
                    edited[at] = (member, json.dumps(document).encode())
                    copy.write_bytes(damage.zip_of(edited))
                    why = torch_loads(copy)
                    run = subprocess.run([options.program, "check", "--isolated", "--select", "FMT,PKL,KEY",
                                          str(copy)], capture_output=True, text=True, check=False)
                    asked += 1
                    refused += bool(why)
                    if bool(why) == (run.returncode == 0):
                        bad += 1
                        print(f"{title}, {member}, {what}: exit code {run.returncode}; "
                              f"torch: {why or 'loads it'}\n{run.stdout}")
    print(f"{asked} copies, {refused} of which torch refuses; {bad} answers are wrong")
    return 1 if bad or not refused or asked == refused else 0


if __name__ == "__main__":
    sys.exit(main())
