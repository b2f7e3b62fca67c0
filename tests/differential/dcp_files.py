#!/usr/bin/env python3
"""Distributed checkpoints as torchvet reads them against torch.distributed.checkpoint.

    dcp_files.py --program TORCHVET

Checkpoints of one process and of two, sharded by FSDP over gloo, two that saved without each other, one whose
tensors lie in chunks along both axes, and one whose items say that their numbers are big-endian: torch puts each
together again (`dcp_to_torch_save`), and every tensor must have the name, element type, shape and values that
torchvet reads from the chunks. What HuggingFaceStorageWriter writes, whole or in parts of two ranks, must hold the state_dict that it was given.

Without torch nothing can be compared: exit 77, which CTest counts as skipped."""

import argparse
import dataclasses
import io
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import warnings
import zipfile

try:
    import torch

    from torch_tensors import digest_of
except ImportError:
    print("this Python has no torch")
    sys.exit(77)

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))
import fixture_dcp  # noqa: E402
import torch.distributed.checkpoint as dcp  # noqa: E402
from torch.distributed.checkpoint.format_utils import dcp_to_torch_save  # noqa: E402
from torch.distributed.checkpoint.metadata import (  # noqa: E402
    ChunkStorageMetadata, MetadataIndex)

warnings.simplefilter("ignore")


def save_quarters(folder: pathlib.Path) -> torch.Tensor:
    """A matrix in four uneven boxes, and one that was transposed: saved as single tensors, and joined
    by the metadata."""
    whole = torch.arange(35.0).reshape(5, 7)
    cuts = [(slice(0, 2), slice(0, 4)), (slice(0, 2), slice(4, 7)), (slice(2, 5), slice(0, 4)),
            (slice(2, 5), slice(4, 7))]
    parts = {f"part{i}": whole[cut].clone() for i, cut in enumerate(cuts)}
    parts["part3"] = parts["part3"].t().contiguous().t()
    dcp.save(parts | {"turned": whole.t()}, checkpoint_id=folder, no_dist=True)

    def join(metadata):
        first = metadata.state_dict_metadata["part0"]
        first.size = whole.shape
        first.chunks = []
        items = {}
        for number, (rows, columns) in enumerate(cuts):
            old = next(key for key in metadata.storage_data if key.fqn == f"part{number}")
            offsets = torch.Size((rows.start, columns.start))
            sizes = torch.Size((rows.stop - rows.start, columns.stop - columns.start))
            first.chunks.append(ChunkStorageMetadata(offsets, sizes))
            items[MetadataIndex("part0", offsets, number)] = metadata.storage_data.pop(old)
            if number:
                del metadata.state_dict_metadata[f"part{number}"], metadata.planner_data[f"part{number}"]
        metadata.storage_data.update(items)

    fixture_dcp.edit(folder, join)
    return whole


def say_big_endian(folder: pathlib.Path) -> None:
    """Every item of the checkpoint as a machine of the other byte order names it; its numbers stay as they are,
    and so mean others."""
    def rewrite(metadata):
        items = sorted(metadata.storage_data.items(), key=lambda item: (item[1].relative_path, item[1].offset))
        old = {path.name: path.read_bytes() for path in folder.glob("*.distcp")}
        new = {name: b"" for name in old}
        for key, place in items:
            item = io.BytesIO()
            part = old[place.relative_path][place.offset:place.offset + place.length]
            with zipfile.ZipFile(io.BytesIO(part)) as before, zipfile.ZipFile(item, "w") as after:
                for name in before.namelist():
                    after.writestr(name, b"big" if name.endswith("/byteorder") else before.read(name))
            metadata.storage_data[key] = dataclasses.replace(
                place, offset=len(new[place.relative_path]), length=len(item.getvalue()))
            new[place.relative_path] += item.getvalue()
        for name, content in new.items():
            (folder / name).write_bytes(content)

    fixture_dcp.edit(folder, rewrite)


def tensors_in(value, path: str = "") -> dict[str, torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return {path: value}
    found = {}
    if isinstance(value, dict):
        for key, item in value.items():
            found |= tensors_in(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, (list, tuple)):
        for position, item in enumerate(value):
            found |= tensors_in(item, f"{path}[{position}]")
    return found


def facts(tensors: dict[str, torch.Tensor]) -> dict[str, tuple]:
    return {path: (str(tensor.dtype).removeprefix("torch."), list(tensor.shape), digest_of(tensor))
            for path, tensor in tensors.items()}


def joined(folder: pathlib.Path, metadata: str, scratch: pathlib.Path) -> dict[str, torch.Tensor]:
    """What torch makes of a checkpoint. Its tool wants the metadata of a rank under the common name."""
    if metadata != ".metadata":
        alone = scratch / "alone"
        shutil.copytree(folder, alone)
        shutil.copy(folder / metadata, alone / ".metadata")
        folder = alone
    dcp_to_torch_save(folder, scratch / "joined.pt")
    shutil.rmtree(scratch / "alone", ignore_errors=True)
    return tensors_in(torch.load(scratch / "joined.pt"))


def facts_of_ours(program: str, file: pathlib.Path) -> tuple[dict, list]:
    run = subprocess.run([program, "inspect", "--what", "summary,tensors", "--digests", "--format",
                          "json", str(file)], capture_output=True, text=True, check=False)
    assert run.returncode in (0, 3), run.stderr
    inspected = json.loads(run.stdout)
    return {tensor["path"]: (tensor["dtype"], tensor["shape"], tensor.get("digest"))
            for tensor in inspected["tensors"]}, inspected["gaps"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    program = parser.parse_args().program
    wrong = []
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        scratch = root / "scratch"
        scratch.mkdir()
        fixture_dcp.save_alone(root / "alone")
        fixture_dcp.save_sharded(root / "two", 2)
        fixture_dcp.save_ranks_apart(root / "apart", 2)
        save_quarters(root / "quarters")
        fixture_dcp.save_sharded(root / "big", 2)
        say_big_endian(root / "big")
        state = fixture_dcp.net().state_dict()
        dcp.save(dict(state), storage_writer=dcp.HuggingFaceStorageWriter(str(root / "hf")), no_dist=True)
        fixture_dcp.save_safetensors(root / "parts", 2)
        expected = {root / "hf/model.safetensors.index.json": state,
                    root / "parts/shard-00001-model-00001-of-00001.safetensors": state}
        for file in sorted(root.glob("*/*.metadata")):
            expected[file] = joined(file.parent, file.name, scratch)
        for file, tensors in expected.items():
            theirs, name = facts(tensors), str(file.relative_to(root))
            ours, gaps = facts_of_ours(program, file)
            wrong += [f"{name}: not analysed: {gap}" for gap in gaps]
            wrong += [f"{name}: `{path}` is {ours.get(path)}, torch says {theirs.get(path)}"
                      for path in sorted(ours.keys() | theirs.keys())
                      if ours.get(path) != theirs.get(path)]
            print(f"{name}: {len(theirs)} tensors")
        wrong += [] if len(expected) == 8 else [f"{len(expected)} checkpoints were made"]
    print("\n".join(wrong) or "no difference")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
