"""Damages files on purpose: bytes and numbers anywhere, lengths, offsets and counts, members of
archives, JSON headers and pickles. Where a container has checksums they are made right again, so that
nothing but the damage itself can give it away."""

import gzip
import io
import json
import pathlib
import pickletools
import random
import string
import struct
import tarfile
import warnings
import zipfile
import zlib

EDGES = b"\x00\x01\x7f\x80\xff.(RQt]}0ubh"
TEXT_ENDINGS = (".json", ".py")
DEEP = 20_000  # levels of brackets


def changed_bytes(content: bytes, chance: random.Random) -> bytes:
    """Random bytes, flipped bits, bytes at an edge and numbers at an edge, in one to eight places."""
    edited = bytearray(content)
    for _ in range(2 ** chance.randrange(4)):
        at = chance.randrange(len(edited))
        kind = chance.randrange(4)
        if kind == 0:
            edited[at] = chance.randrange(256)
        elif kind == 1:
            edited[at] ^= 1 << chance.randrange(8)
        elif kind == 2:
            edited[at] = chance.choice(EDGES)
        else:
            size = len(content)
            number = chance.choice([0, 1, size - 1, size, size + 1, 2**31 - 1, 2**31, 2**32 - 1, 2**32,
                                    2**62, 2**63 - 1, 2**64 - 1, 0xffff, 0x10000])
            width = chance.choice([4, 8])
            raw = (number % 2 ** (8 * width)).to_bytes(width, "little")[:size - at]
            edited[at:at + len(raw)] = raw
    return bytes(edited)


def moved_bytes(content: bytes, chance: random.Random) -> bytes:
    """A part that is missing, twice there, or deep brackets put in."""
    at, end = sorted(chance.randrange(len(content) + 1) for _ in range(2))
    end = min(end, at + 64)
    kind = chance.randrange(4)
    if kind == 0:
        return content[:at] + content[end:]
    if kind == 1:
        return content[:end] + content[at:]
    if kind == 2:
        return content[:at] + chance.choice([b"(", b"]", b"[", b"{", b"}"]) * DEEP + content[at:]
    other = chance.randrange(len(content))
    return content[:at] + content[other:other + end - at] + content[end:]


def changed_number(text: str, chance: random.Random) -> str:
    """One of the whole numbers of a JSON or Python text is another."""
    digits = [(m, len(word)) for m, word in words(text) if word.isdigit()]
    if not digits:
        return text
    at, size = chance.choice(digits)
    old = int(text[at:at + size])
    new = chance.choice([old + 1, old - 1, 0, -1, 2 * old, 2**31, 2**62, 2**64, 10**30])
    return text[:at] + str(new) + text[at + size:]


def words(text: str) -> list[tuple[int, str]]:
    found, begin = [], None
    for at, letter in enumerate(text + " "):
        if letter.isalnum() or letter == "_":
            begin = at if begin is None else begin
        elif begin is not None:
            found.append((begin, text[begin:at]))
            begin = None
    return found


def other_text(text: str, chance: random.Random) -> str:
    """One letter is another, is missing or is there twice."""
    if not text:
        return "x"
    at, letter = chance.randrange(len(text)), chance.choice(string.ascii_lowercase)
    return text[:at] + chance.choice([letter, "", 2 * text[at]]) + text[at + 1:]


def other_value(value: object, chance: random.Random) -> object:
    """Another value for one of a JSON text, mostly of the same type."""
    if chance.randrange(8) == 0:
        return chance.choice([None, True, 0, -1, 1.5, "", "x", [], {}, [value]])
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return chance.choice([value + 1, value - 1, 0, -value, 2 * value, 2**31])
    return other_text(value, chance) if isinstance(value, str) else None


def changed_tree(content: bytes, chance: random.Random) -> bytes:
    """Something in a JSON text is another value, is missing, is there twice or has another key. The way to it
    goes through every level by chance, so that a long list or text does not hide what is short."""
    place = root = json.loads(content)
    while place:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        key = chance.choice(keys)
        inner = place[key]
        if isinstance(inner, (dict, list)) and inner and chance.randrange(8):
            place = inner
            continue
        kind = chance.randrange(6)
        other = chance.choice(keys)
        if kind == 0:
            del place[key]
        elif kind == 1:
            place[key], place[other] = place[other], place[key]
        elif kind == 2 and isinstance(place, dict):
            place[other_text(key, chance)] = place.pop(key)
        elif kind == 2:
            place.insert(other, inner)
        else:
            place[key] = other_value(inner, chance)
        break
    return json.dumps(root).encode()


def changed_text(content: bytes, chance: random.Random) -> bytes:
    """A word for another one of the same text, a number for another number, a change to the tree of a JSON
    text, or as bytes."""
    kind = chance.randrange(6)
    text = content.decode("utf-8", "surrogateescape")
    if kind > 3 and content[:1] in b"{[":
        try:
            return changed_tree(content, chance)
        except ValueError:
            return changed_bytes(content, chance)
    if kind == 0:
        return changed_number(text, chance).encode("utf-8", "surrogateescape")
    if kind == 1:
        found = words(text)
        if found:
            (at, word), (_, other) = chance.choice(found), chance.choice(found)
            text = text[:at] + other + text[at + len(word):]
        return text.encode("utf-8", "surrogateescape")
    return moved_bytes(content, chance) if kind == 3 else changed_bytes(content, chance)


# ---- pickles ------------------------------------------------------------------------------------

NUMBER_OPCODES = {"BININT": "<i", "BININT1": "<B", "BININT2": "<H"}


def opcodes_of(pickle: bytes) -> list[bytes]:
    """The opcodes of a pickle with their arguments, and what follows them."""
    places = [at for _, _, at in pickletools.genops(pickle)]
    stop = places[-1] + 1
    parts = [pickle[begin:end] for begin, end in zip(places, [*places[1:], stop], strict=True)]
    return [pickle[:places[0]], *parts, pickle[stop:]]


def other_opcode(opcode: bytes, chance: random.Random) -> bytes:
    """A number for another one, a letter of a text for another, or another opcode without arguments."""
    name = pickletools.code2op[opcode[:1].decode("latin-1")].name
    if name in NUMBER_OPCODES:
        form = NUMBER_OPCODES[name]
        least, most = (-2**31, 2**31 - 1) if name == "BININT" else (0, 256 ** struct.calcsize(form) - 1)
        number, = struct.unpack(form, opcode[1:])
        new = chance.choice([number + 1, number - 1, 0, 1, -number, 2 * number, least, most])
        return opcode[:1] + struct.pack(form, min(max(new, least), most))
    if name in ("BINUNICODE", "SHORT_BINUNICODE", "GLOBAL", "BINGET", "BINPUT") and len(opcode) > 1:
        at = len(opcode) - 1 - chance.randrange(min(len(opcode) - 1, 12))
        return opcode[:at] + bytes([chance.choice([opcode[at] ^ 1, *b"aexyz01_."])]) + opcode[at + 1:]
    return chance.choice([b"0", b"1", b"2", b")", b"}", b"]", b"N", b"\x88", b"\x89", b"(", b"t", b"\x85", b"\x86",
                          b"R", b"b", b"s", b"u", b"a", b"e", b"Q", b"d", b"l", b"\x81"])


def changed_pickle(content: bytes, chance: random.Random) -> bytes:
    """One to three opcodes are others, are missing, are there twice, or stand in another place."""
    try:
        parts = opcodes_of(content)
    except ValueError:  # no pickle that can be taken apart
        return changed_bytes(content, chance)
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        at, other = chance.randrange(1, len(parts) - 1), chance.randrange(1, len(parts) - 1)
        kind = chance.randrange(7)
        if kind == 0:
            del parts[at]
        elif kind == 1:
            parts.insert(at, parts[other])
        elif kind == 2:
            parts[at], parts[other] = parts[other], parts[at]
        elif kind == 3:
            parts[at] = parts[other]
        else:
            parts[at] = other_opcode(parts[at], chance)
        if len(parts) < 4:
            break
    return b"".join(parts)


def changed_content(name: str, content: bytes, chance: random.Random) -> bytes:
    if not content:
        return chance.choice([b"\x00", b"}", b"[]"])
    if name.endswith(TEXT_ENDINGS):
        return changed_text(content, chance)
    if chance.randrange(3) == 0:
        return changed_pickle(content, chance)
    return moved_bytes(content, chance) if chance.randrange(3) == 0 else changed_bytes(content, chance)


# ---- zip archives -------------------------------------------------------------------------------


def members_of(content: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


def zip_of(members: list[tuple[str, bytes]]) -> bytes:
    """Stored members, each content at a multiple of 64 bytes, as torch writes them."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two members of one name are wanted
        for name, content in members:
            info = zipfile.ZipInfo(name, (1980, 0, 0, 0, 0, 0))
            padding = -(out.tell() + 30 + len(name.encode()) + 4) % 64
            info.extra = b"FB" + struct.pack("<H", padding) + bytes(padding)
            archive.writestr(info, content)
    return out.getvalue()


def changed_zip(content: bytes, chance: random.Random) -> bytes:
    """Something about the members; every checksum is right."""
    members = members_of(content)
    kind = chance.randrange(8)
    at = chance.randrange(len(members))
    name, inside = members[at]
    if kind < 4:
        # Where the structure is: pickles, programs and descriptions.
        telling = [i for i, (other, _) in enumerate(members)
                   if other.endswith((".pkl", *TEXT_ENDINGS))]
        at = chance.choice(telling) if telling else at
        name, inside = members[at]
        members[at] = (name, changed_content(name, inside, chance))
    elif kind == 4:
        members[at] = (name, changed_content(name, inside, chance))
    elif kind == 5:
        del members[at]
    elif kind == 6:
        other = chance.randrange(len(members))
        members[at], members[other] = (name, members[other][1]), (members[other][0], inside)
    else:
        folder, _, rest = name.partition("/")
        members[at] = (chance.choice([f"{folder}/{rest}x", f"other/{rest}", members[0][0], name.upper()]),
                       inside)
    return zip_of(members)


def changed_in_place(content: bytes, chance: random.Random) -> bytes:
    """Bytes of one member are others, and its checksum is theirs in both places that have it."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        info = chance.choice([i for i in archive.infolist() if i.file_size])
    name_size, extra_size = struct.unpack("<HH", content[info.header_offset + 26:info.header_offset + 30])
    begin = info.header_offset + 30 + name_size + extra_size
    inside = changed_bytes(content[begin:begin + info.file_size], chance)
    old, new = struct.pack("<I", info.CRC), struct.pack("<I", zlib.crc32(inside))
    edited = content[:begin] + inside + content[begin + info.file_size:]
    for mark, place in ((b"PK\x07\x08", 4), (b"PK\x01\x02", 16), (b"PK\x03\x04", 14)):
        at = edited.find(mark)
        while at >= 0:
            if edited[at + place:at + place + 4] == old:
                edited = edited[:at + place] + new + edited[at + place + 4:]
            at = edited.find(mark, at + 4)
    return edited


# ---- tar archives and compressed files --------------------------------------------------------------


def changed_tar(content: bytes, chance: random.Random) -> bytes:
    """One member is damaged, is missing or has another's name; the checksums of the headers are right."""
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        members = [[member.name, tar.extractfile(member).read()] for member in tar if member.isfile()]
    at, kind = chance.randrange(len(members)), chance.randrange(8)
    if kind == 0:
        del members[at]
    elif kind == 1:
        members[at][0] = chance.choice(members)[0]
    else:
        members[at][1] = changed_content("a.pkl", members[at][1], chance)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:", format=tarfile.PAX_FORMAT) as tar:
        for name, inside in members:
            member = tarfile.TarInfo(name)
            member.size = len(inside)
            tar.addfile(member, io.BytesIO(inside))
    return out.getvalue()


def changed_inside(content: bytes, chance: random.Random) -> bytes:
    """What is compressed is damaged, and the checksum of gzip is right."""
    return gzip.compress(damaged_content(gzip.decompress(content), chance), mtime=0)


# ---- safetensors --------------------------------------------------------------------------------


def changed_header(content: bytes, chance: random.Random) -> bytes:
    length, = struct.unpack("<Q", content[:8])
    text, data = content[8:8 + length], content[8 + length:]
    names = [name for name in json.loads(text) if name != "__metadata__"]
    kind = chance.randrange(4) if names else 3
    if kind == 0:
        pairs = list(json.loads(text).items())
        pairs.append((chance.choice(pairs)[0], chance.choice(pairs)[1]))
        text = ("{" + ",".join(f"{json.dumps(k)}:{json.dumps(v)}" for k, v in pairs) + "}").encode()
    elif kind == 1:
        header = json.loads(text)
        one, other = header[chance.choice(names)], header[chance.choice(names)]
        part = chance.choice(["dtype", "shape", "data_offsets"])
        one[part], other[part] = other[part], one[part]
        text = json.dumps(header).encode()
    else:
        text = changed_text(text, chance)
    return struct.pack("<Q", len(text)) + text + data


# ---- files and folders --------------------------------------------------------------------------


def damaged_content(content: bytes, chance: random.Random) -> bytes:
    if not content:
        return b"\x00"
    kind = chance.randrange(10)
    if kind == 0:
        return content[:chance.randrange(len(content))]
    if kind == 1:
        return content + bytes(chance.randrange(1, 100))
    if kind == 2:
        return moved_bytes(content, chance)
    if kind < 5:
        return changed_bytes(content, chance)
    if content.startswith(b"PK"):
        try:
            return (changed_in_place if kind < 7 else changed_zip)(content, chance)
        except zipfile.BadZipFile:  # a file that is kept for what is wrong with it
            return changed_bytes(content, chance)
    if content[257:262] == b"ustar":
        return changed_tar(content, chance)
    if content.startswith(b"\x1f\x8b"):
        return changed_inside(content, chance)
    if content[8:9] == b"{" and content[0] != 0x80:
        return changed_header(content, chance)
    return changed_content("a.json" if content[:1] in b"{[" else "a.pkl", content, chance)


def archives_of(shard: bytes) -> list[bytes]:
    """The archives of a shard of a distributed checkpoint, which lie one behind the other."""
    size_of_end = 22
    archives, begin = [], 0
    while begin < len(shard):
        end = shard.find(b"PK\x05\x06", begin)
        end = len(shard) if end < 0 else end + size_of_end
        archives.append(shard[begin:end])
        begin = end
    return archives


def damaged_shard(content: bytes, chance: random.Random) -> bytes:
    archives = archives_of(content)
    at = chance.randrange(len(archives))
    archives[at] = damaged_content(archives[at], chance)
    return b"".join(archives)


def damage_folder(folder: pathlib.Path, chance: random.Random) -> None:
    """One file of it: its content, or that it is there, or its name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    path = chance.choice(files)
    kind = chance.randrange(8)
    if kind == 0:
        path.unlink()
    elif kind == 1:
        other = chance.choice(files)
        content = other.read_bytes()
        other.write_bytes(path.read_bytes())
        path.write_bytes(content)
    elif kind == 2:
        path.write_bytes(b"")
    else:
        damaged = damaged_shard if path.suffix == ".distcp" else damaged_content
        path.write_bytes(damaged(path.read_bytes(), chance))
