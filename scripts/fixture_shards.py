"""Helpers of the recipes that make sharded checkpoints and safetensors files: the layout that the
Hugging Face libraries write, in bytes that never change."""

import json
import pathlib
import struct
from collections.abc import Mapping

import torch
from safetensors.torch import save, save_file

INDEX = "model.safetensors.index.json"


def state(names: int = 4) -> dict[str, torch.Tensor]:
    """As many small matrices as asked for, with numbers that no initialisation draws."""
    return {f"layers.{number}.weight": torch.arange(16.0).reshape(4, 4).cos() + number
            for number in range(names)}


def shard_name(number: int, count: int, ending: str = "safetensors") -> str:
    return f"model-{number:05}-of-{count:05}.{ending}"


def write_index(folder: pathlib.Path, weight_map: Mapping[str, str], total: int,
                name: str = INDEX) -> None:
    index = {"metadata": {"total_size": total}, "weight_map": dict(weight_map)}
    (folder / name).write_text(json.dumps(index, indent=2) + "\n")


def save_shards(folder: pathlib.Path, tensors: Mapping[str, torch.Tensor], count: int = 2,
                ) -> dict[str, str]:
    """Shards and their index; the names are dealt out in turn. Returns the weight_map."""
    folder.mkdir()
    shards: list[dict[str, torch.Tensor]] = [{} for _ in range(count)]
    weight_map = {}
    for position, (name, tensor) in enumerate(tensors.items()):
        shards[position % count][name] = tensor
        weight_map[name] = shard_name(position % count + 1, count)
    for number, shard in enumerate(shards, 1):
        save_file(shard, folder / shard_name(number, count), metadata={"format": "pt"})
    write_index(folder, weight_map, sum(t.numel() * t.element_size() for t in tensors.values()))
    return weight_map


def split(content: bytes) -> tuple[dict, bytes]:
    """Header and data of a safetensors file."""
    length, = struct.unpack("<Q", content[:8])
    return json.loads(content[8:8 + length]), content[8 + length:]


def join(header: dict | str, data: bytes) -> bytes:
    """A file with this header, as it is: no padding, no check."""
    text = header if isinstance(header, str) else json.dumps(header, separators=(",", ":"))
    return struct.pack("<Q", len(text.encode())) + text.encode() + data


def saved(tensors: Mapping[str, torch.Tensor]) -> bytes:
    return save(dict(tensors), metadata={"format": "pt"})
