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
EXTENSIONS = {".pt", ".pth", ".tar", ".ckpt", ".bin"}
# Files of these rules carry calls that a loader would make: only what weights_only lets through.
UNTRUSTED = ("PKL",)


def files_of(arguments: list[pathlib.Path]) -> list[pathlib.Path]:
    files = []
    for argument in arguments:
        inside = sorted(argument.rglob("*")) if argument.is_dir() else [argument]
        files += [path for path in inside if path.suffix in EXTENSIONS and path.is_file()]
    return files


def torchvet_says(program: str, path: pathlib.Path) -> tuple[str, list[dict]]:
    run = subprocess.run(
        [program, "inspect", "--what", "summary,tensors", "--digests", "--format", "json", str(path)],
        capture_output=True, text=True, check=False)
    if run.returncode not in (0, 3):
        raise RuntimeError(f"exit code {run.returncode}: {run.stderr.strip()}")
    report = json.loads(run.stdout)
    records = []
    for tensor in report["tensors"]:
        record = {key: tensor.get(key) for key in COMPARED}
        record["paths"] = sorted({tensor["path"], *tensor.get("aliases", [])})
        records.append(record)
    return report["summary"]["format"], records


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


def is_trusted(path: pathlib.Path) -> bool:
    return not any(part.startswith(UNTRUSTED) for part in path.parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    parser.add_argument("paths", nargs="+", type=pathlib.Path)
    options = parser.parse_args()
    files = files_of(options.paths)
    try:
        import torch_tensors
    except ImportError as problem:
        print(f"skipped: {len(files)} files were not compared, torch is not there ({problem})")
        return SKIPPED
    warnings.simplefilter("ignore")

    compared = tensors = 0
    refused, failed = [], []
    for path in files:
        if path.read_bytes()[:4] == b"PK\x03\x04" and b"constants.pkl" in path.read_bytes():
            continue  # TorchScript: torch.load cannot read it
        try:
            theirs = torch_tensors.tensors_of(path, is_trusted(path))
        except Exception as problem:  # whatever a damaged file makes torch raise
            refused.append(f"{path}: {type(problem).__name__}")
            continue
        try:
            _, ours = torchvet_says(options.program, path)
            wrong = differences(ours, theirs)
        except (RuntimeError, ValueError, KeyError) as problem:
            wrong = [f"{type(problem).__name__}: {problem}"]
        compared += 1
        tensors += len(theirs)
        failed += [f"{path}: {line}" for line in wrong]

    unexpected = [line for line in refused if not pathlib.Path(line.split(":")[0]).name.startswith("bad_")]
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
