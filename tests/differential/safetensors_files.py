#!/usr/bin/env python3
"""safetensors files as torchvet reads them against the safetensors library.

    safetensors_files.py --program TORCHVET

1. files of every element type, with scalars and empty tensors, alone and in shards below an index
   (safetensors and torch.save): names, element types, shapes and values are the library's;
2. damaged headers: torchvet has an error of the container exactly where the library refuses the
   file, and reads the same tensors where it does not.

Without torch and safetensors nothing can be compared: exit 77, which CTest counts as skipped."""

import argparse
import json
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

try:
    import safetensors
    import torch
    from safetensors.torch import load, save, save_file

    from torch_tensors import digest_of
except ImportError:
    print("this Python lacks torch or safetensors")
    sys.exit(77)

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))
from fixture_shards import join, save_shards, shard_name, split, write_index  # noqa: E402

TYPES = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32, torch.uint32,
         torch.int64, torch.uint64, torch.float16, torch.bfloat16, torch.float32, torch.float64,
         torch.complex64, torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz,
         torch.float8_e5m2fnuz]
CHANGES = 600
# What says that the container cannot be read.
REFUSALS = {"FMT001", "FMT003", "FMT011"}


def every_type() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    tensors = {"scalar": torch.tensor(2.5), "empty": torch.zeros(0, 4), "hollow": torch.zeros(3, 0)}
    for dtype in TYPES:
        size = torch.empty(0, dtype=dtype).element_size()
        raw = torch.randint(0, 2 if dtype == torch.bool else 256, (3, 5 * size), generator=generator,
                            dtype=torch.uint8)
        tensors[f"layer.{dtype}".replace("torch.", "")] = raw.view(dtype)
    return tensors


def inspect(program: str, path: pathlib.Path) -> dict:
    run = subprocess.run([program, "inspect", "--what", "summary,tensors", "--digests", "--format",
                          "json", str(path)], capture_output=True, text=True, check=False)
    assert run.returncode in (0, 3), run.stderr
    return json.loads(run.stdout)


def facts_of_ours(program: str, path: pathlib.Path) -> dict:
    return {tensor["path"]: (tensor["dtype"], tensor["shape"], tensor.get("digest"))
            for tensor in inspect(program, path)["tensors"]}


def facts_of_theirs(tensors: dict[str, torch.Tensor]) -> dict:
    return {name: (str(tensor.dtype).removeprefix("torch."), list(tensor.shape), digest_of(tensor))
            for name, tensor in tensors.items()}


def compare_whole(program: str, folder: pathlib.Path) -> list[str]:
    tensors = every_type()
    save_file(tensors, folder / "one.safetensors")
    save_shards(folder / "shards", tensors, 4)
    (folder / "bins").mkdir()
    names = list(tensors)
    for number, part in enumerate((names[::2], names[1::2]), 1):
        torch.save({name: tensors[name] for name in part},
                   folder / "bins" / shard_name(number, 2, "bin"))
    write_index(folder / "bins", {name: shard_name(i % 2 + 1, 2, "bin")
                                  for i, name in enumerate(names)},
                sum(t.numel() * t.element_size() for t in tensors.values()),
                "pytorch_model.bin.index.json")
    wrong = []
    for path in ("one.safetensors", "shards/model.safetensors.index.json",
                 "bins/pytorch_model.bin.index.json"):
        ours, theirs = facts_of_ours(program, folder / path), facts_of_theirs(tensors)
        wrong += [f"{path}: `{name}` is {ours.get(name)}, torch says {theirs.get(name)}"
                  for name in sorted(ours.keys() | theirs.keys()) if ours.get(name) != theirs.get(name)]
        print(f"{path}: {len(ours)} tensors")
    return wrong


def damaged(content: bytes, chance: random.Random) -> bytes:
    """One change in the header, or of the length of the file; numbers are changed most."""
    header, data = split(content)
    kind = chance.randrange(6)
    if kind == 0:
        return content[:chance.randrange(len(content))]
    if kind == 1:
        return content + bytes(chance.randrange(1, 9))
    if kind == 2:
        length, = struct.unpack("<Q", content[:8])
        return struct.pack("<Q", max(0, length + chance.randrange(-20, 20))) + content[8:]
    if kind == 3:
        at = chance.randrange(8, len(content) - len(data))
        return content[:at] + bytes([chance.randrange(256)]) + content[at + 1:]
    entry = header[chance.choice([name for name in header if name != "__metadata__"])]
    if kind == 4:
        place = chance.choice(["shape", "data_offsets"])
        if entry[place]:
            entry[place][chance.randrange(len(entry[place]))] += chance.choice([-8, -1, 1, 4, 2**62])
    else:
        entry[chance.choice(["dtype", "shape", "data_offsets", "other"])] = chance.choice(
            ["F32", "I64", "F6_E2M3", None, [], [0, 8], [2, 2], 3, {}])
    return join(header, data)


def library_reads(content: bytes) -> dict | None:
    """The library's tensors, or nothing when it refuses the file."""
    try:
        return facts_of_theirs(load(content))
    except safetensors.SafetensorError:
        return None
    except KeyError:  # accepted, but torch has no such element type
        return {}


def compare_damaged(program: str, folder: pathlib.Path) -> list[str]:
    chance = random.Random(11)
    whole = save({"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.arange(2.0),
                  "count": torch.tensor(7)}, metadata={"format": "pt"})
    paths = [folder / f"changed_{number:04}.safetensors" for number in range(CHANGES)]
    for path in paths:
        path.write_bytes(damaged(whole, chance))
    run = subprocess.run([program, "check", "--no-values", "--json", *map(str, paths)],
                         capture_output=True, text=True, check=False)
    report = json.loads(run.stdout)
    refused_by_us = {finding["location"]["artifact"] for finding in report["findings"]
                     if finding["code"] in REFUSALS}
    refused_by_us |= {artifact["path"] for artifact in report["artifacts"]
                      if artifact["format"] == "unknown" and artifact["gaps"]}
    wrong, refused = [], 0
    for path in paths:
        theirs = library_reads(path.read_bytes())
        refused += theirs is None
        if (theirs is None) != (str(path) in refused_by_us):
            wrong.append(f"{path.name}: {'only the library' if theirs is None else 'only torchvet'} "
                         f"refuses it: {path.read_bytes()[:120]!r}")
        elif theirs:
            ours = facts_of_ours(program, path)
            if ours != theirs:
                wrong.append(f"{path.name}: we read {ours}, the library {theirs}")
    print(f"{CHANGES} damaged files, of which the library refuses {refused}")
    if not 0 < refused < CHANGES:
        wrong.append("the changes do not make both kinds of files")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    program = parser.parse_args().program
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        wrong = compare_whole(program, folder) + compare_damaged(program, folder)
    print("\n".join(wrong) or "no difference")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
