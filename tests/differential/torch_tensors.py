"""What torch says about every tensor of a file: the other side of tensors.py.

Paths are given as torchvet gives them: dict keys joined by dots, positions and integer keys in
brackets; inside an nn.Module the names that the module itself uses."""

import collections
import contextlib
import ctypes
import io
import pathlib
import pickle
import re
import sys
import types
import zipfile
from dataclasses import dataclass, field
from typing import Iterator

import torch


class _Digest(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


_xxhash = ctypes.CDLL("libxxhash.so.0")
_xxhash.XXH3_128bits.restype = _Digest
_xxhash.XXH3_128bits.argtypes = [ctypes.c_void_p, ctypes.c_size_t]

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"
LAYOUTS = {torch.sparse_coo: ("indices", "values"),
           torch.sparse_csr: ("crow_indices", "col_indices", "values"),
           torch.sparse_csc: ("ccol_indices", "row_indices", "values"),
           torch.sparse_bsr: ("crow_indices", "col_indices", "values"),
           torch.sparse_bsc: ("ccol_indices", "row_indices", "values")}
BOOKKEEPING = ("_parameters", "_buffers", "_modules")


def layout_of(tensor: torch.Tensor) -> str:
    if tensor.is_nested:
        return "nested"
    if tensor.layout in LAYOUTS:
        return "sparse"
    return "meta" if tensor.device.type == "meta" else "strided"


def digest_of(tensor: torch.Tensor) -> str | None:
    """XXH3 of the bytes that the values have in memory, row by row."""
    if layout_of(tensor) != "strided":
        return None
    tensor = tensor.detach()
    if tensor.is_quantized:
        tensor = tensor.int_repr()
    tensor = tensor.resolve_conj().resolve_neg().contiguous()
    digest = _xxhash.XXH3_128bits(tensor.data_ptr(), tensor.numel() * tensor.element_size())
    return f"{digest.high:016x}{digest.low:016x}"


@dataclass
class Found:
    """Tensors in the order in which their first names are met, each with all its names."""

    locations: dict[int, str]
    names: dict[int, list[str]] = field(default_factory=dict)
    tensors: dict[int, torch.Tensor] = field(default_factory=dict)

    def add(self, path: str, tensor: torch.Tensor) -> bool:
        """True when the tensor is met for the first time."""
        first = id(tensor) not in self.tensors
        self.tensors[id(tensor)] = tensor
        names = self.names.setdefault(id(tensor), [])
        if path not in names:
            names.append(path)
        return first

    def records(self) -> Iterator[dict]:
        for key, tensor in self.tensors.items():
            layout = layout_of(tensor)
            record = {
                "paths": sorted(self.names[key]),
                "dtype": str(tensor.dtype).removeprefix("torch."),
                "requires_grad": tensor.requires_grad,
                "is_parameter": isinstance(tensor, torch.nn.Parameter),
                "layout": layout,
                "digest": digest_of(tensor),
            }
            if layout in ("strided", "meta"):
                record["strides"] = list(tensor.stride())
                record["storage_offset"] = tensor.storage_offset()
            if layout != "nested":
                record["shape"] = list(tensor.shape)
            if layout == "strided" and tensor.untyped_storage()._cdata in self.locations:
                record["device"] = self.locations[tensor.untyped_storage()._cdata]
            yield record


def joined(path: str, name: object) -> str:
    if isinstance(name, str):
        return f"{path}.{name}" if path else name
    if isinstance(name, int) and not isinstance(name, bool):
        return f"{path}[{name}]"
    return f"{path}[{name!r}]"


def attributes_of(value: object) -> dict:
    return getattr(value, "__dict__", {})


def parts_of(path: str, tensor: torch.Tensor) -> Iterator[tuple[str, object]]:
    """Tensors that a pickle of this one names besides its own bytes."""
    if tensor.is_nested:
        yield joined(path, "buffer"), tensor.values()
        yield joined(path, "sizes"), tensor._nested_tensor_size()
        yield joined(path, "strides"), tensor._nested_tensor_strides()
        yield joined(path, "storage_offsets"), tensor._nested_tensor_storage_offsets()
    elif tensor.layout in LAYOUTS:
        for name in LAYOUTS[tensor.layout]:
            private = "_" + name if tensor.layout == torch.sparse_coo else name
            yield joined(path, name), getattr(tensor, private)()
    elif tensor.is_quantized and tensor.qscheme() == torch.per_channel_affine:
        yield joined(path, "scales"), tensor.q_per_channel_scales()
        yield joined(path, "zero_points"), tensor.q_per_channel_zero_points()
    for name, value in attributes_of(tensor).items():
        yield joined(path, name), value


def children_of(path: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, torch.Tensor):
        yield from parts_of(path, value)
    elif isinstance(value, torch.nn.Module):
        for name, inner in vars(value).items():
            if name in BOOKKEEPING:
                yield from ((joined(path, key), part) for key, part in inner.items())
            else:
                yield joined(path, name), inner
    elif isinstance(value, dict):
        for index, (key, part) in enumerate(value.items()):
            by_tensor = isinstance(key, torch.Tensor)
            yield f"{path}[key {index}]" if by_tensor else joined(path, key), part
    elif isinstance(value, (list, tuple, set, frozenset, collections.deque)):
        yield from ((joined(path, position), part) for position, part in enumerate(value))
    if not isinstance(value, (torch.Tensor, torch.nn.Module, type, types.ModuleType,
                              types.FunctionType)):
        yield from ((joined(path, name), part) for name, part in attributes_of(value).items())


def name_modules(root: object, found: Found) -> None:
    """Registered tensors are named by their modules before anything else is walked."""
    seen: set[int] = set()
    stack = [("", root)]
    while stack:
        path, value = stack.pop()
        if id(value) in seen or isinstance(value, torch.Tensor):
            continue
        seen.add(id(value))
        if isinstance(value, torch.nn.Module):
            if "_parameters" not in vars(value):
                continue
            for kind in ("_parameters", "_buffers"):
                for name, tensor in vars(value)[kind].items():
                    if tensor is not None:
                        found.add(joined(path, name), tensor)
            children = [(joined(path, name), part) for name, part in value._modules.items()]
        else:
            children = list(children_of(path, value))
        stack.extend(reversed(children))


def name_all(root: object, found: Found) -> None:
    walked: set[int] = set()
    keep = []  # components of tensors are made anew at each call: their ids must stay theirs
    stack = [("", root)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, torch.Tensor):
            keep.append(value)
            found.add(path, value)
        if id(value) in walked or isinstance(value, (str, bytes, int, float, type(None))):
            continue
        walked.add(id(value))
        keep.append(value)
        stack.extend(reversed(list(children_of(path, value))))
    found.kept = keep


@contextlib.contextmanager
def classes_beside(path: pathlib.Path) -> Iterator[None]:
    """Makes the `recipe` of a fixture importable, which holds the classes of its pickles: each folder
    has a module of that name. Classes of DeepSpeed are stood in for."""
    saved = sys.path[:]
    sys.path[:0] = [str(path.parent), str(SCRIPTS)]
    sys.modules.pop("recipe", None)
    import fixture_deepspeed
    try:
        with fixture_deepspeed.stand_in_classes():
            yield
    finally:
        sys.path[:] = saved


def tensors_of(path: pathlib.Path, trusted: bool) -> list[dict]:
    """All tensors that torch.load builds from a file. Only a trusted file may run code."""
    locations: dict[int, str] = {}
    keep = []

    def remember(storage: torch.UntypedStorage, location: str) -> torch.UntypedStorage:
        locations[storage._cdata] = location
        keep.append(storage)
        return storage

    with classes_beside(path):
        value = torch.load(path, map_location=remember, weights_only=not trusted)
    found = Found(locations)
    name_modules(value, found)
    name_all(value, found)
    return list(found.records())


# ---- TorchScript --------------------------------------------------------------------------------


class _Anything:
    """Stands for whatever class or function a pickle names."""

    def __init__(self, *arguments: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass

    def append(self, item: object) -> None:
        pass


class _Locations(pickle.Unpickler):
    """Where each storage of an archive was, read without torch: torch.jit.load moves what it loads."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))
        self.by_key: dict[str, str] = {}

    def find_class(self, module: str, name: str) -> type:
        return _Anything

    def persistent_load(self, pid: tuple) -> object:
        _, _, key, location, _ = pid
        self.by_key[key] = location
        return _Anything()


def script_locations(path: pathlib.Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        name = next(n for n in archive.namelist() if n.partition("/")[2] == "data.pkl")
        reader = _Locations(archive.read(name))
    reader.load()
    return reader.by_key


def resolved(program: torch.jit.ScriptModule, path: str) -> object:
    """What stands at a path like `core._flat_weights[1]`, past the Python side of the module, which
    does not keep all attributes."""
    value = program._c
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        value = value[int(index)] if index else value.getattr(name)
    return value


def script_tensors_of(path: pathlib.Path, others: list[str]) -> list[dict]:
    """The parameters and buffers of a TorchScript archive by torch's own loader, and the tensors at
    other paths. No device: `script_locations` has those."""
    program = torch.jit.load(str(path), map_location="cpu")
    named = dict([*program.named_parameters(remove_duplicate=False),
                  *program.named_buffers(remove_duplicate=False)])
    named.update((name, resolved(program, name)) for name in others if name not in named)
    records = []
    for name, tensor in named.items():
        if isinstance(tensor, torch.Tensor):
            found = Found({})
            found.add(name, tensor)
            if layout_of(tensor) == "strided":
                found.locations[tensor.untyped_storage()._cdata] = ""
            record = next(found.records())
            record.pop("is_parameter")
            record.pop("device", None)
            records.append(record)
    return records
