#!/usr/bin/env python3
"""Compares torchvet with torch on real files: for every tensor its names, element type, shape,
strides, storage offset, requires_grad, device and values.

    tensors.py --program build/bin/torchvet FILE_OR_FOLDER...

Without torch nothing can be compared: exit 77, which CTest counts as skipped."""

import argparse
import json
import pathlib
import pickle
import subprocess
import sys
import warnings

SKIPPED = 77
COMPARED = ("dtype", "shape", "strides", "storage_offset", "requires_grad", "is_parameter", "device",
            "layout", "digest")
# Rules about files from which torch loads other numbers than it should, or hangs: containers.py has them.
LEFT_OUT = {"FMT004", "FMT005", "FMT014", "FMT016", "PKL008"}
EXTENSIONS = {".pt", ".pth", ".tar", ".ckpt", ".bin", ".jit"}


def files_of(arguments: list[pathlib.Path]) -> list[pathlib.Path]:
    files = []
    for argument in arguments:
        inside = sorted(argument.rglob("*")) if argument.is_dir() else [argument]
        files += [path for path in inside if path.suffix in EXTENSIONS and path.is_file()
                  and not (path.name.startswith("bad_") and path.parent.name in LEFT_OUT)]
    return files


def torchvet_says(program: str, path: pathlib.Path) -> dict:
    run = subprocess.run(
        [program, "inspect", "--what", "summary,tensors", "--digests", "--format", "json", str(path)],
        capture_output=True, text=True, check=False)
    if run.returncode not in (0, 3):
        raise RuntimeError(f"exit code {run.returncode}: {run.stderr.strip()}")
    return json.loads(run.stdout)


def records_of(tensors: list[dict]) -> list[dict]:
    records = []
    for tensor in tensors:
        record = {key: tensor.get(key) for key in COMPARED}
        record["paths"] = sorted({tensor["path"], *tensor.get("aliases", [])})
        records.append(record)
    return records


def differences(ours: list[dict], theirs: list[dict]) -> list[str]:
    found = []
    by_path = {record["paths"][0]: record for record in ours}
    for expected in theirs:
        name = expected["paths"][0]
        record = by_path.pop(name, None)
        if record is None:
            found.append(f"torchvet does not find `{name}`")
            continue
        for key, value in expected.items():
            if record[key] != value:
                found.append(f"`{name}`: {key} is {record[key]!r}, torch says {value!r}")
    return found + [f"torch does not know `{name}`" for name in by_path]


def compare_script(torch_tensors, report: dict, path: pathlib.Path) -> tuple[list[dict], list[str]]:
    """Parameters, buffers and plain attributes by name; the locations of all storages. torch gives a
    tensor with two names twice. Packed weights are objects, which torch repacks when it loads."""
    by_role = {role: [t for t in report["tensors"] if t["role"] == role]
               for role in ("parameter", "buffer", "attribute")}
    ours = [{**t, "path": name, "aliases": []} for tensors in by_role.values() for t in tensors
            for name in (t["path"], *t["aliases"]) if "._packed_params" not in name]
    theirs = torch_tensors.script_tensors_of(path, [t["path"] for t in ours])
    wrong = differences(records_of(ours), theirs)
    locations = torch_tensors.script_locations(path)
    for tensor in ours:
        if tensor["storage"] and tensor["device"] != locations[tensor["storage"]["key"]]:
            wrong.append(f"`{tensor['path']}`: device is {tensor['device']}, the file says "
                         f"{locations[tensor['storage']['key']]}")
    return theirs, wrong


def folder_tensors_of(torch_tensors, anchor: pathlib.Path) -> list[dict]:
    """A checkpoint that is a folder: the tensors of all its files, each below the name of its file."""
    theirs = []
    for path in sorted(anchor.parent.iterdir()):
        if path.suffix not in EXTENSIONS | {".pkl"}:
            continue
        for record in torch_tensors.tensors_of(path, is_trusted(path)):
            paths = [path.stem + ("" if name.startswith("[") else ".") + name for name in record["paths"]]
            theirs.append({**record, "paths": sorted(paths)})
    return theirs


def is_trusted(path: pathlib.Path) -> bool:
    """The `bad_` files of one rule carry calls that a loader would make."""
    return not ("PKL001" in path.parts and path.name.startswith("bad_"))


# Fixtures in which another rule than that of their folder sees what stops torch.
REFUSED = {
    "PKL002/ok_dangerous.pt": "its call raises an exception",
    "PKL003/ok_cut_pickle.pt": "its pickle is cut off",
    "PKL005/ok_told_by_module.pt": "its classes are in a module that is not there",
    "PKL005/ok_told_by_refusal.pt": "its classes are in a module that is not there",
}


def may_be_refused(path: pathlib.Path) -> bool:
    return any(part.startswith("bad_") for part in path.parts) or "/".join(path.parts[-2:]) in REFUSED


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    parser.add_argument("paths", nargs="+", type=pathlib.Path)
    options = parser.parse_args()
    files = files_of(options.paths)
    if not files:
        print(f"skipped: no file below {', '.join(map(str, options.paths))}")
        return SKIPPED
    try:
        import torch_tensors
    except ImportError as problem:
        print(f"skipped: {len(files)} files were not compared, torch is not there ({problem})")
        return SKIPPED
    warnings.simplefilter("ignore")

    compared = tensors = 0
    refused, failed = [], []
    for path in files:
        try:
            report = torchvet_says(options.program, path)
        except (RuntimeError, ValueError) as problem:
            failed.append(f"{path}: {problem}")
            continue
        try:
            if report["summary"]["format"] == "torchscript":
                theirs, wrong = compare_script(torch_tensors, report, path)
            else:
                folder = report["summary"]["format"] == "training-folder"
                theirs = (folder_tensors_of(torch_tensors, path) if folder
                          else torch_tensors.tensors_of(path, is_trusted(path)))
                wrong = differences(records_of(report["tensors"]), theirs)
        except Exception as problem:  # whatever a damaged file makes torch raise
            refused.append(f"{path}: {type(problem).__name__}: {problem}".splitlines()[0])
            continue
        compared += 1
        tensors += len(theirs)
        failed += [f"{path}: {line}" for line in wrong]

    unexpected = [line for line in refused if not may_be_refused(pathlib.Path(line.split(":")[0]))]
    for line in failed:
        print(f"DIFFERENT {line}")
    for line in refused:
        print(f"torch refuses {line}")
    for line in unexpected:
        print(f"UNEXPECTED: torch refuses a file that should be whole: {line}")
    print(f"{compared} files, {tensors} tensors compared; {len(failed)} differences; "
          f"torch refused {len(refused)}")
    return 1 if failed or unexpected or not compared else 0


if __name__ == "__main__":
    sys.exit(main())
