"""Measures torchvet on large checkpoints of which only the metadata is read.

    scripts/bench --metadata [--repeats N] [--program PATH]

Makes two checkpoints once (.cache/bench/metadata): a `.metadata` of torch.distributed.checkpoint with
100,000 chunks and their items in 100 files (180 MB), and 1 TB of safetensors in 200 shards with
100,000 tensors, whose files are sparse. Prints medians of the wall time and the peak memory, and
whether both stay within 1.5 s and 200 MiB.
"""

import argparse
import io
import json
import os
import pathlib
import pickle
import statistics
import sys

from run import CACHE, ROOT, measure

FOLDER = CACHE / "metadata"
MOST_SECONDS = 1.5
MOST_MIB = 200


def make_distributed(folder: pathlib.Path, tensors: int, ranks: int) -> None:
    import torch
    from torch.distributed.checkpoint import filesystem
    from torch.distributed.checkpoint import metadata as dcp

    rows, columns = 4, 16
    buffer = io.BytesIO()
    torch.save(torch.zeros(rows, columns), buffer)
    item = buffer.getvalue()
    for rank in range(ranks):
        (folder / f"__{rank}_0.distcp").write_bytes(item * tensors)
    files = [f"__{rank}_0.distcp" for rank in range(ranks)]
    offsets = [torch.Size((rank * rows, 0)) for rank in range(ranks)]
    described, planned, stored = {}, {}, {}
    for number in range(tensors):
        key = f"layers.{number}.mlp.weight"
        name = f"model.{key}"
        # What each rank sends to the first one is pickled by itself: nothing is shared between them.
        chunks = [dcp.ChunkStorageMetadata(torch.Size(offset), torch.Size((rows, columns)))
                  for offset in offsets]
        described[name] = dcp.TensorStorageMetadata(
            dcp.TensorProperties(dtype=torch.float32), torch.Size((rows * ranks, columns)), chunks)
        planned[name] = ("model", key)
        for rank, chunk in enumerate(chunks):
            stored[dcp.MetadataIndex(name, chunk.offsets, rank)] = filesystem._StorageInfo(
                files[rank], number * len(item), len(item))
    whole = dcp.Metadata(state_dict_metadata=described, planner_data=planned, storage_data=stored,
                         storage_meta=dcp.StorageMeta(checkpoint_id="run"), version="1.0.0")
    (folder / ".metadata").write_bytes(pickle.dumps(whole, protocol=4))


def make_shards(folder: pathlib.Path, shards: int, tensors: int) -> None:
    shape, size = [2048, 2560], 2048 * 2560 * 2
    weight_map = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        header = {"__metadata__": {"format": "pt"}}
        for number in range(tensors):
            name = f"model.layers.{shard}.mlp.experts.{number}.down_proj.weight"
            header[name] = {"dtype": "BF16", "shape": shape,
                            "data_offsets": [number * size, (number + 1) * size]}
            weight_map[name] = file
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        with (folder / file).open("wb") as out:
            out.write(len(text).to_bytes(8, "little") + text)
            out.truncate(8 + len(text) + tensors * size)
    index = {"metadata": {"total_size": shards * tensors * size}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


CHECKPOINTS = {
    "torch.distributed.checkpoint, 100,000 chunks": ("distributed", make_distributed, (1000, 100)),
    "safetensors, 1 TB, 100,000 tensors": ("shards", make_shards, (200, 500)),
}


def made(name: str, make, sizes: tuple) -> pathlib.Path:
    folder, unfinished = FOLDER / name, FOLDER / f"{name}.unfinished"
    if not folder.exists():
        print(f"making {folder}", file=sys.stderr)
        unfinished.mkdir(parents=True, exist_ok=True)
        make(unfinished, *sizes)
        unfinished.rename(folder)
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--program", default=str(ROOT / "build/release/bin/torchvet"))
    options = parser.parse_args()
    kept = True
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors; medians")
    for label, (name, make, sizes) in CHECKPOINTS.items():
        command = [options.program, "check", "--no-values", str(made(name, make, sizes))]
        samples = [measure(command) for _ in range(options.repeats + 1)][1:]  # the first warms up
        codes = {sample["exit_code"] for sample in samples}
        if codes != {0}:
            print(f"{' '.join(command)}: exit code {codes}", file=sys.stderr)
            return 2
        seconds = statistics.median(sample["seconds"] for sample in samples)
        mib = max(sample["peak_kib"] for sample in samples) / 1024
        for what, value, most, unit in (("time", seconds, MOST_SECONDS, "s"),
                                        ("peak memory", mib, MOST_MIB, "MiB")):
            kept &= value <= most
            print(f"{'kept  ' if value <= most else 'BROKEN'} {label}: {what} {value:.2f} {unit}, "
                  f"at most {most} {unit}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
