"""The loader of each format, with the libraries that have it: what it reads of a file, or why it refuses.
damaged.py asks them in a process of their own."""

import gzip
import json
import pathlib
import pickle
import resource
import tarfile
import tempfile
import types
import zipfile
from collections.abc import Iterable

import loader_process

LOADER_MEMORY = 8 << 30


def loader_of(path: pathlib.Path) -> str:
    """The name of the function below that reads this file, which is sound."""
    if path.suffix in (".pt2", ".safetensors", ".gz"):
        return {".pt2": "load_exported", ".safetensors": "load_safetensors", ".gz": "load_compressed"}[path.suffix]
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            members = {name.partition("/")[2] for name in archive.namelist()}
        if "constants.pkl" in members:
            return "load_script"
        if ".data/extern_modules" in members:
            return "load_package"
    elif tarfile.is_tarfile(path):
        return "load_tar"
    return "load_torch"


def facts_of(tensors: dict) -> dict:
    from torch_tensors import digest_of

    return {name: [str(tensor.dtype).removeprefix("torch."), list(tensor.shape), digest_of(tensor)]
            for name, tensor in tensors.items()}


def facts_of_records(records: Iterable[dict]) -> dict:
    return {record["paths"][0]: [record["dtype"], record.get("shape"), record["digest"]]
            for record in records}


def named(value: object) -> dict:
    from torch_tensors import Found, name_all, name_modules

    found = Found({})
    name_modules(value, found)
    name_all(value, found)
    return facts_of_records(found.records())


class TensorUnpickler(pickle.Unpickler):
    """Imports what tensors and modules are made of: a damaged file shall not run anything else."""

    def find_class(self, module: str, name: str) -> object:
        if module.split(".")[0] not in ("torch", "collections"):
            raise pickle.UnpicklingError(f"{module}.{name} is not wanted here")
        return super().find_class(module, name)


ONLY_TENSORS = types.SimpleNamespace(
    __name__="only_tensors", Unpickler=TensorUnpickler, load=lambda file, **how: TensorUnpickler(file, **how).load())


def load_torch(path: pathlib.Path) -> dict:
    """As torch does by default; where that refuses what a pickle does, though not its names, as with
    weights_only=False, which `check` calls a warning."""
    import torch
    import torch_tensors

    try:
        return facts_of_records(torch_tensors.tensors_of(path, trusted=False))
    except pickle.UnpicklingError as problem:
        if "GLOBAL" in str(problem):
            raise
        return named(torch.load(path, map_location="cpu", weights_only=False, pickle_module=ONLY_TENSORS))


def load_script(path: pathlib.Path) -> dict:
    import torch

    program = torch.jit.load(str(path), map_location="cpu")
    return facts_of({**dict(program.named_parameters(remove_duplicate=False)),
                     **dict(program.named_buffers(remove_duplicate=False))})


def load_exported(path: pathlib.Path) -> dict:
    import torch

    program = torch.export.load(str(path))
    return facts_of({**program.state_dict, **program.constants})


def load_safetensors(path: pathlib.Path) -> dict:
    from safetensors.torch import load_file

    return facts_of(load_file(path))


def load_sharded(path: pathlib.Path) -> dict:
    """As transformers does: the shards that the index names, and every key of it in its shard."""
    from safetensors.torch import load_file

    weight_map = json.loads((path / "model.safetensors.index.json").read_text())["weight_map"]
    tensors = {}
    for shard in sorted(set(weight_map.values())):
        tensors |= load_file(path / shard)
    if tensors.keys() != weight_map.keys():
        raise ValueError("the shards hold other tensors than the index names")
    return facts_of(tensors)


def load_tar(path: pathlib.Path) -> dict:
    """What torch wrote before 0.1.10, which weights_only=True does not read."""
    import torch

    return named(torch.load(path, map_location="cpu", weights_only=False, pickle_module=ONLY_TENSORS))


def load_compressed(path: pathlib.Path) -> dict:
    with tempfile.NamedTemporaryFile(suffix=".pt") as plain:
        plain.write(gzip.decompress(path.read_bytes()))
        plain.flush()
        return load_torch(pathlib.Path(plain.name))


def load_package(path: pathlib.Path) -> dict:
    """Every pickle that the package has outside of `.data`, under their names where there are several. The
    importer is told a package and a name, so one that lies in no folder cannot be asked for."""
    from torch.package import PackageImporter

    importer = PackageImporter(str(path))
    loaded = {}
    for record in importer.zip_reader.get_all_records():
        package, _, name = record.rpartition("/")
        is_pickle = importer.zip_reader.get_record(record)[:1] == b"\x80" or name.endswith(".pkl")
        if package and not record.startswith(".data/") and is_pickle:
            loaded[record] = importer.load_pickle(package.replace("/", "."), name, map_location="cpu")
    return named(loaded if len(loaded) > 1 else next(iter(loaded.values()), {}))


def load_parts(path: pathlib.Path) -> dict:
    """Parts of tensors in safetensors files, which the reader of the same name puts together."""
    import torch.distributed.checkpoint as dcp
    from torch.distributed.checkpoint.default_planner import _EmptyStateDictLoadPlanner
    from torch.distributed.checkpoint.state_dict_loader import _load_state_dict

    state: dict = {}
    _load_state_dict(state, storage_reader=dcp.HuggingFaceStorageReader(str(path)),
                     planner=_EmptyStateDictLoadPlanner(), no_dist=True)
    return facts_of(state)


def load_distributed(path: pathlib.Path) -> dict:
    import torch
    from dcp_files import tensors_in
    from torch.distributed.checkpoint.format_utils import dcp_to_torch_save

    with tempfile.NamedTemporaryFile(suffix=".pt") as joined:
        dcp_to_torch_save(path, joined.name)
        return facts_of(tensors_in(torch.load(joined.name)))


def answer_to(question: list) -> dict:
    name, path = question
    try:
        return {"tensors": globals()[name](pathlib.Path(path))}
    except BaseException as problem:  # whatever a damaged file makes a loader raise
        return {"refuses": f"{type(problem).__name__}: {str(problem)[:300]}"}


def serve_loaders() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (LOADER_MEMORY, LOADER_MEMORY))
    loader_process.serve(answer_to)


if __name__ == "__main__":
    serve_loaders()
