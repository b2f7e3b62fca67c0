"""Edits of archives that torch wrote, for the rules about containers: members are changed, added,
compressed or taken out, and what the archive says of itself is made wrong. Where it says nothing else,
the archive is then laid out as torch's writer does it, so that only the edit is unusual in it.
"""

import io
import pathlib
import struct
import zipfile
import zlib
from collections.abc import Callable

from fixture_tools import Member, archive_of, read_members

LOCAL_NAME = 30  # where the name begins in a local header


def edit_members(path: pathlib.Path, edit: Callable[[list[Member]], list[Member] | None]) -> None:
    """Writes the archive again with the members that `edit` returns, or has changed in place."""
    members = read_members(path.read_bytes())
    path.write_bytes(archive_of(edit(members) or members))


def is_record(member: Member, name: str) -> bool:
    """Whether a member has this name below the archive's folder."""
    return member.name.partition("/")[2] == name


def replace(path: pathlib.Path, name: str, content: bytes) -> None:
    def edit(members: list[Member]) -> None:
        chosen, = (member for member in members if is_record(member, name))
        chosen.replace(content)

    edit_members(path, edit)


def change(path: pathlib.Path, name: str, how: Callable[[bytes], bytes]) -> None:
    def edit(members: list[Member]) -> None:
        chosen, = (member for member in members if is_record(member, name))
        chosen.replace(how(chosen.content()))

    edit_members(path, edit)


def remove(path: pathlib.Path, *names: str) -> None:
    """Takes out members by name; a name that ends in a slash takes out a folder."""
    def goes(member: Member) -> bool:
        own = member.name.partition("/")[2]
        return any(own == name or (name.endswith("/") and own.startswith(name)) for name in names)

    edit_members(path, lambda members: [member for member in members if not goes(member)])


def add(path: pathlib.Path, name: str, content: bytes, *, last: bool = True) -> None:
    """Adds a member below the archive's folder, behind the others or behind the first."""
    def edit(members: list[Member]) -> list[Member]:
        prefix = members[0].name.partition("/")[0]
        made = Member(f"{prefix}/{name}", 0, content, len(content), zlib.crc32(content))
        return [*members, made] if last else [members[0], made, *members[1:]]

    edit_members(path, edit)


def deflate(path: pathlib.Path, folder: str) -> None:
    """Compresses the members of a folder, as a tool that packs an archive again does."""
    def edit(members: list[Member]) -> None:
        for member in members:
            if member.name.partition("/")[2].startswith(folder):
                content, member.method = member.content(), 8
                member.replace(content)

    edit_members(path, edit)


def repack(path: pathlib.Path, *, names: Callable[[str], str] = lambda name: name) -> None:
    """Writes the archive again as Python's zipfile does, without compression."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(buffer, "w") as new:
        for info in old.infolist():
            new.writestr(zipfile.ZipInfo(names(info.filename)), old.read(info))
    path.write_bytes(buffer.getvalue())


def header_of(content: bytes, name: str) -> int:
    """Where the local header of a member is, named without the archive's folder."""
    found, = (info.header_offset for info in zipfile.ZipFile(io.BytesIO(content)).infolist()
              if info.filename.partition("/")[2] == name)
    return found


def patch_header(path: pathlib.Path, name: str, at: int, value: bytes) -> None:
    """Overwrites bytes of a local header, counted from its begin."""
    content = bytearray(path.read_bytes())
    begin = header_of(content, name) + at
    content[begin : begin + len(value)] = value
    path.write_bytes(bytes(content))


def flip(path: pathlib.Path, name: str, at: int) -> None:
    """Changes one bit in the data of a member, as a bad disk does."""
    content = bytearray(path.read_bytes())
    header = header_of(content, name)
    names, extras = struct.unpack_from("<HH", content, header + 26)
    content[header + LOCAL_NAME + names + extras + at] ^= 0x10
    path.write_bytes(bytes(content))
