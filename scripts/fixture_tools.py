"""Helpers of the recipes that make fixtures: save with torch in bytes that never change, and edit what
torch wrote without leaving torch's own layout.

torch.save and torch.jit.save are reproducible when they write to a buffer, where the archive's prefix
is always `archive`, except for two things that are mended here: a program carries absolute paths of
the machine that made it and the Python stack of the script that ran the recipe, and the legacy format
names each storage by its address in memory.

An edited archive is written again exactly as torch's writer lays it out (64-byte alignment through an
`FB` extra field, sizes in data descriptors, a zip64 directory), so that only the edit is unusual in it.
"""

import dataclasses
import fnmatch
import io
import pathlib
import pickle
import pickletools
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping

import torch
import torch.jit._pickle

ROOT = pathlib.Path(__file__).resolve().parent.parent
SITE_PACKAGES = str(pathlib.Path(torch.__file__).resolve().parent.parent)
PUBLIC_SITE_PACKAGES = "/usr/local/lib/python3.11/site-packages"


# ---- saving ------------------------------------------------------------------------------------


def save_to(
    path: pathlib.Path,
    obj: object,
    *,
    legacy: bool = False,
    protocol: int = 2,
    on: Mapping[str, Iterable[torch.Tensor]] | None = None,
) -> None:
    """torch.save with reproducible bytes. `on` says which tensors' storages the file should place on
    which device: {"cuda:0": [model.fc.weight]}; all others are where they really are."""
    place = {t.untyped_storage()._cdata: device for device, ts in (on or {}).items() for t in ts}
    real = torch.serialization.location_tag

    def location_tag(storage: torch.UntypedStorage) -> str:
        return place.get(storage._cdata) or real(storage)

    buffer = io.BytesIO()
    torch.serialization.location_tag = location_tag
    try:
        torch.save(obj, buffer, pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy)
    finally:
        torch.serialization.location_tag = real
    content = buffer.getvalue()
    path.write_bytes(renumber_legacy(content) if legacy else content)


def save_script(path: pathlib.Path, program: torch.jit.ScriptModule, *, mobile: bool = False,
                **options: object) -> None:
    """torch.jit.save with reproducible bytes: source paths relative to the repository, torch's own
    under a usual site-packages, and no frames of the scripts that ran the recipe. `mobile` adds the
    bytecode for the lite interpreter."""
    buffer = io.BytesIO()
    if mobile:
        buffer.write(program._save_to_buffer_for_lite_interpreter(**options))
    else:
        torch.jit.save(program, buffer, **options)
    members = read_members(buffer.getvalue())
    for member in members:
        if member.name.endswith(".debug_pkl"):
            member.replace(public_source_map(member.content()))
    sign(members)
    path.write_bytes(archive_of(members))


def sign(members: list["Member"]) -> None:
    """Gives the archive the serialization id that torch gives to these contents: 20 digits for the
    names, 20 for the checksums. The one that torch wrote knows the paths of this machine."""
    checksum = 0
    for member in members:
        if member.name.endswith("/.data/serialization_id"):
            member.replace(member.content()[:20] + f"{checksum:020}".encode())
        elif member.raw:  # torch leaves empty records out
            mixed = member.crc + 0x9E3779B9 + (checksum << 6) + (checksum >> 2)
            checksum = (checksum ^ mixed) & 0xFFFFFFFFFFFFFFFF


# ---- damaging and editing ----------------------------------------------------------------------


def truncate(path: pathlib.Path, size: int) -> None:
    """Keeps the first `size` bytes; a negative size cuts that many off the end."""
    path.write_bytes(path.read_bytes()[:size])


def edit_member(path: pathlib.Path, name: str, edit: Callable[[bytes], bytes]) -> None:
    """Replaces the content of one member, named without the archive's prefix."""
    members = read_members(path.read_bytes())
    chosen = [member for member in members if member.name.partition("/")[2] == name]
    if len(chosen) != 1:
        raise ValueError(f"{path.name}: no member {name}")
    chosen[0].replace(edit(chosen[0].content()))
    path.write_bytes(archive_of(members))


def edit_code(path: pathlib.Path, old: str, new: str) -> None:
    """Replaces text in the code of a TorchScript archive, and moves the source map along."""
    members = read_members(path.read_bytes())
    by_name = {member.name: member for member in members}
    edits = 0
    for member in members:
        if "/code/" not in member.name or not member.name.endswith(".py"):
            continue
        code = member.content()
        places = [found.start() for found in re.finditer(re.escape(old.encode()), code)]
        if not places:
            continue
        edits += len(places)
        member.replace(code.replace(old.encode(), new.encode()))
        source_map = by_name.get(member.name + ".debug_pkl")
        if source_map is not None:
            growth = len(new.encode()) - len(old.encode())
            source_map.replace(moved_source_map(source_map.content(), places, growth))
    if edits == 0:
        raise ValueError(f"{path.name}: the code does not hold {old!r}")
    path.write_bytes(archive_of(members))


def relocate(path: pathlib.Path, devices: Mapping[str, str]) -> None:
    """Changes on which device an archive says its storages were. The keys of `devices` are patterns
    (`*`, `layers.0.*`): of the names of parameters and buffers in a TorchScript archive, of the keys
    of storages (`0`, `1`, ... in the order of their first use) in any other."""
    members = read_members(path.read_bytes())
    script = any(member.name.endswith("/constants.pkl") for member in members)
    names = script_storage_names(path, members) if script else {}

    def device_of(key: str) -> str | None:
        for pattern, device in devices.items():
            if any(fnmatch.fnmatchcase(name, pattern) for name in names.get(key, [key])):
                return device
        return None

    for member in members:
        if member.name.endswith("/data.pkl"):
            member.replace(relocated(member.content(), device_of))
    path.write_bytes(archive_of(members))


def relocate_constants(path: pathlib.Path, device: str) -> None:
    """Changes the device of all tensor constants of a TorchScript archive."""
    edit_member(path, "constants.pkl", lambda content: relocated(content, lambda _: device))


def script_storage_names(path: pathlib.Path, members: list["Member"]) -> dict[str, list[str]]:
    # torch writes a module's attributes before its children, parameters before buffers, and numbers
    # storages in the order of their first use.
    model = torch.jit.load(path, map_location="cpu")
    names: dict[int, list[str]] = {}
    keep = []
    for prefix, module in model.named_modules():
        own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        for name, tensor in own:
            keep.append(tensor)
            full = f"{prefix}.{name}" if prefix else name
            names.setdefault(tensor.untyped_storage().data_ptr(), []).append(full)
    sizes = {m.name.rpartition("/")[2]: m.size for m in members if "/data/" in m.name}
    by_pointer = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in keep}
    result = {str(index): found for index, found in enumerate(names.values())}
    for key, pointer in zip(result, names):
        if sizes.get(key) != by_pointer[pointer]:
            raise ValueError(f"{path.name}: storage {key} is not {result[key]}")
    return result


def relocated(program: bytes, device_of: Callable[[str], str | None]) -> bytes:
    """The pickle with other locations in its persistent ids ('storage', type, key, location, n)."""
    ops = [(op, argument, position) for op, argument, position in pickletools.genops(program)]
    ends = [position for _, _, position in ops[1:]] + [len(program)]
    memo: dict[int, object] = {}
    values = []  # (value, index of the op that pushed it) for the strings and numbers of the pickle
    replace: dict[int, bytes] = {}
    puts: dict[int, int] = {}
    for index, (op, argument, _) in enumerate(ops):
        if op.name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = values[-1][0] if values else None
            puts[index] = argument
        elif op.name in ("BINGET", "LONG_BINGET"):
            values.append((memo.get(argument), index))
        elif op.name == "BINPERSID":
            numbers = [v for v in values[-2:]]
            (location, at), (key, _) = (numbers[1], numbers[0])
            device = device_of(str(key))
            if not isinstance(location, str) or not re.fullmatch(r"[a-z]+(:\d+)?", location):
                raise ValueError(f"not a location: {location!r}")
            text = (device or location).encode()
            replace[at] = pickle.BINUNICODE + struct.pack("<I", len(text)) + text
        elif op.name in ("BINUNICODE", "SHORT_BINUNICODE"):
            values.append((argument, index))
        elif op.name in ("TUPLE", "GLOBAL", "BININT", "BININT1", "BININT2", "LONG1", "MARK"):
            pass
        else:
            values.append((None, index))
    dropped = {puts[at + 1] for at in replace if at + 1 in puts}
    kept = bytearray()
    for index, (op, argument, position) in enumerate(ops):
        if index in replace:
            kept += replace[index]
        elif index in puts and index - 1 in replace:
            continue  # every location is spelled out, so none is remembered
        else:
            if op.name in ("BINGET", "LONG_BINGET") and argument in dropped:
                raise ValueError("a location's text is used for something else too")
            kept += program[position : ends[index]]
    return bytes(kept)


# ---- source maps of TorchScript (.debug_pkl) ---------------------------------------------------


class IntList(list):
    """The form in which torch pickles List[int]."""

    def __reduce__(self) -> tuple:
        return torch.jit._pickle.build_intlist, (list(self),)


class SourceMapReader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) != ("torch.jit._pickle", "build_intlist"):
            raise pickle.UnpicklingError(f"{module}.{name} in a source map")
        return IntList


def public_path(path: str) -> str:
    for prefix, shown in ((SITE_PACKAGES, PUBLIC_SITE_PACKAGES), (str(ROOT) + "/", "")):
        if path.startswith(prefix):
            return shown + path[len(prefix) :]
    return path


def public_stack(text: str) -> str:
    """The Python stack that a trace keeps for a node, without the frames of these scripts."""
    lines = []
    for line in text.splitlines(keepends=True):
        if not line.startswith((str(ROOT / "scripts"), "<frozen ")):
            lines.append(public_path(line))
    return "".join(lines)


def rewritten_source_map(content: bytes, edit: Callable[[list], list]) -> bytes:
    """Applies `edit` to the records [offset, text, file, first line, start, end, tag]."""
    mark, table, packed = SourceMapReader(io.BytesIO(content)).load()
    assert mark == "FORMAT_WITH_STRING_TABLE"
    records = []
    for offset, ((text, file, first_line), start, end), tag in packed:
        whole = "".join(table[index] for index in text)
        records.append([offset, whole, table[file], first_line, start, end, tag])
    strings: dict[str, int] = {}

    def index_of(text: str) -> int:
        return strings.setdefault(text, len(strings))

    result = tuple(
        (offset, ((IntList(index_of(line) for line in text.splitlines(keepends=True)),
                   index_of(file), first_line), start, end), tag)
        for offset, text, file, first_line, start, end, tag in map(edit, records)
    )
    buffer = io.BytesIO()
    pickle.Pickler(buffer, protocol=2).dump((mark, tuple(strings), result))
    return buffer.getvalue()


def public_source_map(content: bytes) -> bytes:
    def edit(record: list) -> list:
        offset, text, file, first_line, start, end, tag = record
        if re.match(r"^\S+\(\d+\): ", text):  # a trace's stack, not source text
            text = public_stack(text)
            start, end = 0, len(text.encode())
        return [offset, text, public_path(file), first_line, start, end, tag]

    return rewritten_source_map(content, edit)


def moved_source_map(content: bytes, places: list[int], growth: int) -> bytes:
    def edit(record: list) -> list:
        return [record[0] + growth * sum(place < record[0] for place in places), *record[1:]]

    return rewritten_source_map(content, edit)


# ---- torch's zip layout ------------------------------------------------------------------------

ALIGNMENT = 64
LOCAL, CENTRAL, DESCRIPTOR = b"PK\x03\x04", b"PK\x01\x02", b"PK\x07\x08"


@dataclasses.dataclass
class Member:
    name: str
    method: int  # 0 stored, 8 deflated
    raw: bytes  # as it lies in the file
    size: int
    crc: int

    def content(self) -> bytes:
        return zlib.decompress(self.raw, -15) if self.method == 8 else self.raw

    def replace(self, content: bytes) -> None:
        self.size, self.crc = len(content), zlib.crc32(content)
        if self.method == 8:
            deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
            content = deflate.compress(content) + deflate.flush()
        self.raw = content


def read_members(content: bytes) -> list[Member]:
    members = []
    for info in zipfile.ZipFile(io.BytesIO(content)).infolist():
        names, extras = struct.unpack_from("<HH", content, info.header_offset + 26)
        start = info.header_offset + 30 + names + extras
        raw = content[start : start + info.compress_size]
        members.append(Member(info.filename, info.compress_type, raw, info.file_size, info.CRC))
    if archive_of(members) != content:
        raise ValueError("the archive is not laid out as torch does it")
    return members


def archive_of(members: list[Member]) -> bytes:
    """The archive as torch's writer lays it out (files below 4 GiB)."""
    out, directory = bytearray(), bytearray()
    for member in members:
        name, header = member.name.encode(), len(out)
        flags = 0x0808 if member.raw else 0x0800  # sizes follow the data; the name is UTF-8
        needed = 20 if member.method else 0  # version needed to extract
        padding = -(header + 30 + len(name) + 4) % ALIGNMENT
        out += LOCAL + struct.pack("<5H3I2H", needed, flags, member.method, 0, 0, 0, 0, 0, len(name),
                                   padding + 4)
        out += name + b"FB" + struct.pack("<H", padding) + b"Z" * padding + member.raw
        if member.raw:
            out += DESCRIPTOR + struct.pack("<3I", member.crc, len(member.raw), member.size)
        directory += CENTRAL + struct.pack(
            "<6H3I5H2I", 0, needed, flags, member.method, 0, 0, member.crc, len(member.raw), member.size,
            len(name), 0, 0, 0, 0, 0, header) + name
    start, count = len(out), len(members)
    out += directory
    end64 = len(out)
    out += b"PK\x06\x06" + struct.pack("<Q2H2I4Q", 44, 798, 45, 0, 0, count, count, len(directory), start)
    out += b"PK\x06\x07" + struct.pack("<IQI", 0, end64, 1)
    out += b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, count, count, len(directory), start, 0)
    return bytes(out)


# ---- the legacy format -------------------------------------------------------------------------


def renumber_legacy(content: bytes) -> bytes:
    """Names the storages 0, 1, ... in the order of their first use, writes them in that order, and
    makes the paths of source files public."""
    stream = io.BytesIO(content)
    for _ in range(3):  # the magic number, the protocol, the machine
        read_operations(stream)
    start = stream.tell()
    operations = read_operations(stream)
    main = content[start : stream.tell()]
    old_keys = pickle.load(stream)
    item_size = item_sizes(operations, set(old_keys))
    data = {}
    for key in old_keys:
        count = stream.read(8)
        data[key] = count + stream.read(struct.unpack("<Q", count)[0] * item_size[key])
    new_keys = {key: str(index) for index, key in enumerate(item_size)}

    program = bytearray()
    ends = [position for _, _, position in operations[1:]] + [start + len(main)]
    for (op, argument, position), end in zip(operations, ends):
        if op.name == "BINUNICODE":
            text = new_keys.get(argument, public_path(argument)).encode()
            program += pickle.BINUNICODE + struct.pack("<I", len(text)) + text
        else:
            program += main[position - start : end - start]
    keys = pickle.dumps(list(new_keys.values()), protocol=2)
    return content[:start] + bytes(program) + keys + b"".join(data[key] for key in new_keys)


def read_operations(stream: io.BytesIO) -> list:
    return list(pickletools.genops(stream))


def item_sizes(operations: list, keys: set[str]) -> dict[str, int]:
    """Item size by storage key, in the order of first use: the class stands before the key."""
    memo: dict[int, str] = {}
    last, sizes = "", {}
    for op, argument, _ in operations:
        if op.name == "GLOBAL":
            last = argument
        elif op.name in ("BINGET", "LONG_BINGET"):
            last = memo.get(argument, last)
        elif op.name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = last
        elif op.name == "BINUNICODE" and argument in keys and argument not in sizes:
            name = last.split(" ")[1]
            sizes[argument] = 1 if name == "UntypedStorage" else getattr(torch, name).dtype.itemsize
    return sizes
