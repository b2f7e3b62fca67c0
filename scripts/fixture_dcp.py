"""Helpers of the recipes that make distributed checkpoints: saved by real processes over gloo, in
bytes that never change, and with metadata that can be edited."""

import os
import pathlib
import pickle
import socket
from collections.abc import Callable

import torch
import torch.distributed
import torch.distributed.checkpoint as dcp
import torch.multiprocessing
from torch import nn
from torch.distributed.checkpoint.metadata import Metadata
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from fixture_shards import join, split


def read_metadata(folder: pathlib.Path) -> Metadata:
    return pickle.loads((folder / ".metadata").read_bytes())


def write_metadata(folder: pathlib.Path, metadata: Metadata, name: str = ".metadata") -> None:
    """With what differs from save to save taken out."""
    if metadata.storage_meta is not None:
        metadata.storage_meta.checkpoint_id = "checkpoint"
        metadata.storage_meta.save_id = "00000000-0000-0000-0000-000000000000"
    (folder / name).write_bytes(pickle.dumps(metadata, protocol=4))


def edit(folder: pathlib.Path, change: Callable[[Metadata], None]) -> None:
    metadata = read_metadata(folder)
    change(metadata)
    write_metadata(folder, metadata)


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 1))


def trained(model: nn.Module) -> dict[str, object]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.ones(4, 3)).sum().backward()
        optimizer.step()
    return {"model": model.state_dict(), "optim": optimizer.state_dict(), "step": 3}


def save_alone(folder: pathlib.Path) -> None:
    """One process, no sharding."""
    dcp.save(trained(net()), checkpoint_id=folder, no_dist=True)
    write_metadata(folder, read_metadata(folder))


def _rank(rank: int, ranks: int, port: int, folder: pathlib.Path, how: str) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", rank=rank, world_size=ranks)
    model = net()
    if how != "apart":
        fully_shard(model, mesh=init_device_mesh("cpu", (ranks,)))
    if how == "safetensors":
        writer = dcp.HuggingFaceStorageWriter(str(folder), save_distributed=True)
        dcp.save(model.state_dict(), storage_writer=writer)
    else:
        dcp.save(trained(model), checkpoint_id=folder, use_collectives=how != "apart")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
    os._exit(0)  # without the destructors: threads of gloo that still run abort a process in them


def _save_by_ranks(folder: pathlib.Path, ranks: int, how: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    torch.multiprocessing.spawn(_rank, (ranks, port, folder, how), nprocs=ranks)


def save_sharded(folder: pathlib.Path, ranks: int = 2) -> None:
    """Each tensor in as many chunks as ranks, by FSDP."""
    _save_by_ranks(folder, ranks, "sharded")
    write_metadata(folder, read_metadata(folder))


def save_ranks_apart(folder: pathlib.Path, ranks: int = 2) -> None:
    """Each rank its own state, with metadata of its own, without asking the others."""
    _save_by_ranks(folder, ranks, "apart")
    for path in folder.glob("__*.metadata"):
        write_metadata(folder, pickle.loads(path.read_bytes()), path.name)


def save_safetensors(folder: pathlib.Path, ranks: int = 2) -> None:
    """The weights alone, each rank's parts in a safetensors file."""
    _save_by_ranks(folder, ranks, "safetensors")
    for path in folder.glob("*.safetensors"):  # the order of the metadata differs from save to save
        header, data = split(path.read_bytes())
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        path.write_bytes(join(header, data))
