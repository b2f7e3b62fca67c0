"""Writes the tar archives that torch.save wrote before 0.1.10 and torch.load still reads: four members, which
src/formats/torch_tar.cpp describes. No release that writes them runs on a current Python, so this is a writer
of its own; that torch reads what it writes is tested (tests/differential/tensors.py)."""

import inspect
import io
import pathlib
import pickle
import struct
import tarfile
from collections.abc import Mapping

import torch
from torch import nn

SAVED_AT = 1485870000.25  # the fraction makes tarfile add PAX headers, as real files have them


class _Pickler(pickle.Pickler):
    """Tensors are named by their keys; the first mention of a module's class brings its
    source."""

    def __init__(self, file: io.BytesIO, parts: "_Parts") -> None:
        super().__init__(file, protocol=2)
        self.parts = parts
        self.classes: set[type] = set()

    def persistent_id(self, value: object) -> object:
        if isinstance(value, type) and issubclass(value, nn.Module) and value not in self.classes:
            self.classes.add(value)  # the id holds the class itself
            path = pathlib.Path(inspect.getsourcefile(value))
            return value, path.name, inspect.getsource(value)
        if isinstance(value, torch.Tensor) and not isinstance(value, nn.Parameter):
            return str(self.parts.key_of(value))
        return None

    def reducer_override(self, value: object) -> object:
        """A parameter was a variable around a tensor."""
        if isinstance(value, nn.Parameter):
            return nn.Parameter, (self.parts.data_of(value),), (value.requires_grad, False, {})
        return NotImplemented


class _Parts:
    """Tensors and storages in the order in which they are met. Their keys were addresses; here they are
    numbers, so that a file is the same whenever it is made."""

    def __init__(self, places: Mapping[int, str]) -> None:
        self.places = places
        self.tensors: dict[int, tuple[int, torch.Tensor]] = {}
        self.storages: dict[int, tuple[int, torch.Tensor]] = {}
        self.data: dict[int, torch.Tensor] = {}

    def data_of(self, parameter: nn.Parameter) -> torch.Tensor:
        return self.data.setdefault(id(parameter), parameter.detach())

    def key_of(self, tensor: torch.Tensor) -> int:
        self.storage_key_of(tensor)
        return self.tensors.setdefault(id(tensor), (7000 + len(self.tensors), tensor))[0]

    def storage_key_of(self, tensor: torch.Tensor) -> int:
        address = tensor.untyped_storage()._cdata
        return self.storages.setdefault(address, (4000 + len(self.storages), tensor))[0]


def _class_of(tensor: torch.Tensor, kind: str) -> type:
    """torch.FloatStorage or torch.FloatTensor."""
    return getattr(torch, tensor.type().removeprefix("torch.").removesuffix("Tensor") + kind)


def _storages(parts: _Parts, views: list[tuple]) -> bytes:
    out = [pickle.dumps(len(parts.storages), 2)]
    for key, tensor in parts.storages.values():
        storage = tensor.untyped_storage()
        location = parts.places.get(storage._cdata, "cpu")
        out.append(pickle.dumps((key, location, _class_of(tensor, "Storage")), 2))
        out.append(struct.pack("<q", len(storage) // tensor.element_size()) + bytes(storage))
    return b"".join(out) + pickle.dumps(views, 2)


def _tensors(parts: _Parts, moved: Mapping[int, int]) -> bytes:
    out = [pickle.dumps(len(parts.tensors), 2)]
    for key, tensor in parts.tensors.values():
        storage = moved.get(key, parts.storage_key_of(tensor))
        out.append(pickle.dumps((key, storage, _class_of(tensor, "Tensor")), 2))
        numbers = (tensor.dim(), *tensor.size(), *tensor.stride(), tensor.storage_offset())
        out.append(struct.pack(f"<{len(numbers)}q", *numbers))
    return b"".join(out)


def parts_of(value: object, places: Mapping[int, str] | None = None) -> dict[str, bytes]:
    """The members of a file, by name. `places` says on which device a storage was, by its address."""
    parts, pickled = _Parts(places or {}), io.BytesIO()
    _Pickler(pickled, parts).dump(value)
    system = {"protocol_version": 1000, "little_endian": True,
              "type_sizes": {"short": 2, "int": 4, "long": 8}}
    return {"sys_info": pickle.dumps(system, 2), "pickle": pickled.getvalue(),
            "tensors": _tensors(parts, {}), "storages": _storages(parts, [])}


def parts_with_view() -> dict[str, bytes]:
    """Two tensors, one of which lies in a storage that is the middle of the other's."""
    whole, part = torch.arange(12.0), torch.zeros(4)
    parts, pickled, view = _Parts({}), io.BytesIO(), 9000
    _Pickler(pickled, parts).dump({"whole": whole, "part": part})
    members = {"pickle": pickled.getvalue(), "tensors": _tensors(parts, {parts.key_of(part): view})}
    del parts.storages[part.untyped_storage()._cdata]
    views = [(view, parts.storage_key_of(whole), 3, 4)]
    return {"sys_info": pickle.dumps({}, 2), **members, "storages": _storages(parts, views)}


def archive(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:", format=tarfile.PAX_FORMAT) as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), SAVED_AT
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def save_tar(path: pathlib.Path, value: object) -> None:
    path.write_bytes(archive(parts_of(value)))
