#!/usr/bin/env python3
"""A deflated tensor of 256 MiB is looked at in the memory that its stored twin takes.

    deflated_memory_test.py TORCHVET BENCH_MEASURE

Both files are made here, in the format of torch.save, from a few random blocks again and again, which
lie too far apart for deflate to see. `inspect --what tensors --values` must say the same of both, and
the peak of memory beside the mapped file must be below one bound for both, far below the tensor."""

import json
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import zipfile

sys.dont_write_bytecode = True

BLOCK = 1 << 20
BLOCKS = 256
OWN_MIB = 64  # what the program, 64 pieces in flight and the stream take


def weights() -> bytes:
    """A MiB of float32 around 1 whose lower halves are zero, as numbers that were bfloat16."""
    chance = random.Random(0)
    return b"".join(struct.pack("<HH", 0, 0x3F80 + chance.randrange(-300, 300))
                    for _ in range(BLOCK // 4))


def data_pickle(numbers: int) -> bytes:
    """{"weight": torch._utils._rebuild_tensor_v2(FloatStorage "0", 0, (numbers,), (1,), False, {})},
    written by hand: this test needs no torch."""
    count = b"J" + struct.pack("<i", numbers)
    storage = (b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu" +
               count + b"tQ")
    return (b"\x80\x02}X\x06\x00\x00\x00weightctorch._utils\n_rebuild_tensor_v2\n(" + storage +
            b"K\x00" + count + b"\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtRs.")


def make(path: pathlib.Path, method: int) -> None:
    block = weights()
    with zipfile.ZipFile(path, "w", method, compresslevel=1) as archive:
        archive.writestr("archive/data.pkl", data_pickle(BLOCKS * BLOCK // 4))
        archive.writestr("archive/byteorder", b"little")
        with archive.open("archive/data/0", "w") as storage:
            for _ in range(BLOCKS):
                storage.write(block)
        archive.writestr("archive/version", b"3\n")


def main() -> int:
    program, measure = sys.argv[1:]
    failed = []
    said, own = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name, method in (("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED)):
            path = pathlib.Path(folder) / f"{name}.pt"
            make(path, method)
            command = [program, "inspect", "--what", "tensors", "--values", "--format", "json", str(path)]
            said[name] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            peak = json.loads(subprocess.run([measure, *command], check=True, capture_output=True).stdout)
            own[name] = peak["peak_kib"] / 1024 - path.stat().st_size / (1 << 20)
            print(f"{name}: {path.stat().st_size} bytes, {own[name]:.0f} MiB beside the mapped file")
    tensors = {name: [{**tensor, "storage": None} for tensor in one["tensors"]]  # that lies elsewhere
               for name, one in said.items()}
    if tensors["stored"] != tensors["deflated"]:
        failed.append(f"other facts: {tensors}")
    if "values" not in tensors["stored"][0]:
        failed.append(f"nothing is said of the values: {tensors['stored']}")
    failed += [f"{name}: {mib:.0f} MiB beside the file, at most {OWN_MIB} are right"
               for name, mib in own.items() if mib > OWN_MIB]
    for line in failed:
        print(line)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
