#!/usr/bin/env python3
"""Pickles that are cheap to write and would be dear to read: nested as deep as they are long, or with one
large part under many objects. Each is read in time and memory that grow with its length.

usage: hostile_pickles_test.py TORCHVET

Reading every part once for each object that it hangs under would take minutes and tens of gigabytes here;
the bounds below are far from both ends."""

import pathlib
import resource
import struct
import subprocess
import sys
import tempfile
import unittest
import zipfile

TORCHVET = str(pathlib.Path(sys.argv.pop(1)).resolve())
SECONDS = 15
MEMORY = 3 << 30
MANY = 100_000
DEEP = 600_000


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def name(full: str) -> bytes:
    module, _, last = full.rpartition(".")
    return f"c{module}\n{last}\n".encode()


def large_list() -> bytes:
    return b"](" + b"N" * MANY + b"e"


def large_dict() -> bytes:
    return b"}(" + b"".join(text(f"k{i}") + b"N" for i in range(MANY)) + b"u"


def many(part: bytes) -> bytes:
    return b"](" + part * MANY + b"e"


def calls_of(function: str, argument: bytes) -> bytes:
    """The function, called many times with the same argument."""
    return argument + b"\x85q\x000" + name(function) + b"q\x010" + many(b"h\x01h\x00R")


def objects_with(state: bytes) -> bytes:
    """Many objects of one class with the same attributes."""
    return state + b"q\x000" + name("shop.Thing") + b"q\x010" + many(b"h\x01)\x81h\x00b")


def module(parameters: bytes, more: bytes = b"") -> bytes:
    return b"}(" + text("_parameters") + parameters + text("_modules") + b"}" + more + b"u"


def optimizer(state: bytes, groups: bytes) -> bytes:
    return b"}(" + text("state") + state + text("param_groups") + groups + b"u"


NESTED = {
    "tuples": b")" + b"\x85" * DEEP,
    "tuples_in_memo": b")q\x00" + b"0h\x00\x85q\x00" * DEEP,
    "tuples_taken_twice": b")q\x00" + b"0h\x00h\x00\x86q\x00" * DEEP,
    "lists": b"]" * DEEP + b"a" * (DEEP - 1),
    "marked_lists": b"](" * DEEP + b"e" * DEEP,
    "dicts": b"}K\x01" * DEEP + b"}" + b"s" * DEEP,
    "long_keys": (b"}" + text("k" * 1000)) * MANY + b"N" + b"s" * MANY,
    "marks": b"(" * DEEP + b"t" * DEEP,
    "sets": (name("builtins.set") + b"](") * MANY + b"N" + b"e\x85R" * MANY,
    "calls": name("shop.thing") + b")R" * DEEP,
    "states": name("shop.Thing") + b")\x81" + b"}b" * DEEP,
    "ordered": (name("collections.OrderedDict") + b")R") * MANY + b"b" * (MANY - 1),
}
SHARED = {
    "set": calls_of("builtins.set", large_list()),
    "frozenset": calls_of("builtins.frozenset", large_list()),
    "ordered_dict": calls_of("collections.OrderedDict", large_dict()),
    "encoded": text("a" * 1_000_000) + text("latin1") + b"\x86q\x000" + name("_codecs.encode") + b"q\x010"
    + many(b"h\x01h\x00R"),
    "attributes": objects_with(large_dict()),
    "parameters": large_dict() + b"q\x020" + objects_with(module(b"h\x02")),
    "attributes_of_modules": objects_with(module(b"}", b"".join(text(f"k{i}") + b"N" for i in range(MANY)))),
    "list_of_lists": objects_with(b"}(" + text("a") + b"](" + b"]" * 9000 + b"eu"),
    "groups": large_list().replace(b"N", b"K\x01") + b"q\x000"
    + optimizer(b"}", many(b"}(" + text("params") + b"h\x00u")),
    "slots": large_dict() + b"q\x000" + optimizer(
        b"}(" + b"".join(b"J" + struct.pack("<i", i) + b"h\x00" for i in range(MANY)) + b"u",
        b"](}(" + text("params") + b"]ue"),
    "key": b"(" + b"N" * MANY + b"tq\x000}(" + b"h\x00N" * MANY + b"u",
    "nested_key": b")" + b"\x85" * 1000 + b"q\x000}(" + b"h\x00N" * MANY + b"u",
    "long_name": b"c" + b"m" * 60_000 + b"\nname\nq\x000" + many(b"h\x00)R"),
    "long_names": text("m" * 60_000) + b"q\x00" + b"h\x00h\x00\x930" * MANY,
}


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


class HostilePickles(unittest.TestCase):
    def look(self, pickle: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "a.pt"
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("a/data.pkl", b"\x80\x02" + pickle + b".")
                archive.writestr("a/version", "3\n")
            for verb in (["check", "--isolated", "--preview"],
                         ["inspect", "--isolated", "--what", "summary,loaders"]):
                run = subprocess.run([TORCHVET, *verb, str(path)], capture_output=True, text=True,
                                     check=False, preexec_fn=limited)
                self.assertIn(run.returncode, (0, 1, 3), run.stderr[-500:])
                self.assertNotIn("memory", run.stdout)
                self.assertNotIn("internal error", run.stdout)

    def test_nested(self):
        for kind, pickle in NESTED.items():
            with self.subTest(kind):
                self.look(pickle)

    def test_shared(self):
        for kind, pickle in SHARED.items():
            with self.subTest(kind):
                self.look(pickle)


if __name__ == "__main__":
    unittest.main()
