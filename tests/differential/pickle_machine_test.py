#!/usr/bin/env python3
"""The pickle machine against Python's own pickle.

1. Random nested values (shared and cyclic ones too) in protocols 0 to 5: the machine's objects must
   be the value, its imports those that Python resolves, at the places that pickletools names.
2. The same pickles, damaged: whatever Python still imports on its way, the machine must have
   recorded, in the same order; what Python loads, the machine must accept. Imports are answered
   with an inert class, so nothing a damaged pickle names is ever run.

usage: pickle_machine_test.py DUMP_PICKLE [ROUNDS]
"""

import _compat_pickle
import collections
import io
import json
import pathlib
import pickle
import pickletools
import random
import resource
import struct
import subprocess
import sys
import tempfile

NOTHING = 2**32 - 1
REDUCE = 0


def random_value(rng, depth, pool):
    """A value of the basic types; `pool` holds containers for sharing and cycles."""
    if pool and rng.random() < 0.08:
        return rng.choice(pool)
    kind = rng.randrange(17 if depth > 0 else 10)
    if kind < 10:
        return random_leaf(rng, kind)
    size = rng.choice([0, 1, 2, 3, 4, 7])
    if kind < 12:
        value = []
        pool.append(value)
        value.extend(random_value(rng, depth - 1, pool) for _ in range(size))
    elif kind < 14:
        value = {} if kind == 12 else collections.OrderedDict()
        pool.append(value)
        for _ in range(size):
            value[random_leaf(rng, rng.randrange(6))] = random_value(rng, depth - 1, pool)
    elif kind < 16:
        value = tuple(random_value(rng, depth - 1, pool) for _ in range(size))
    else:
        items = [random_leaf(rng, rng.randrange(1, 5)) for _ in range(size)]
        value = set(items) if rng.random() < 0.5 else frozenset(items)
    return value


def random_leaf(rng, kind):
    text = "".join(rng.choice("ab\u00e9\u20ac\U0001f600\n\\'\"\x00\x7f \ud800") for _ in range(rng.randrange(5)))
    return [
        None,
        rng.randrange(-300, 300),
        text,
        rng.choice([2**31, -(2**31), 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64, 65535, 256]),
        bytes(rng.randrange(256) for _ in range(rng.randrange(5))),
        rng.random() < 0.5,
        rng.choice([0.0, -1.5, 1e300, float("inf"), float("-inf"), 0.1, float("nan")]),
        text * rng.choice([1, 100]),
        bytearray(text.encode("utf-8", "surrogatepass")),
        (-1) ** rng.randrange(2) * rng.getrandbits(rng.choice([70, 500, 2039])),
    ][kind]


class Mismatch(Exception):
    pass


def unhex(text):
    return bytes.fromhex(text)


def text_of(text):
    try:
        return unhex(text).decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return unhex(text).decode("latin-1")


class Dump:
    def __init__(self, line):
        self.line = json.loads(line)
        self.objects = self.line["objects"]

    def imports(self):
        return [(text_of(m), text_of(n)) for m, n, _ in self.line["imports"]]

    def called(self, object_id):
        """(name, arguments) of a REDUCE."""
        kind, *rest = self.objects[object_id]
        if kind != "call" or rest[0] != REDUCE:
            raise Mismatch(f"{kind} where a call was expected")
        callable_, arguments = self.objects[rest[1]], self.objects[rest[2]]
        return unhex(callable_[2]).decode(), arguments[1], rest

    def plain(self, object_id):
        """A hashable value back from the dump."""
        kind, *rest = self.objects[object_id]
        if kind == "none":
            return None
        if kind == "bool":
            return rest[0]
        if kind == "int":
            return int(rest[0], 0)
        if kind == "float":
            return unhex(rest[0])
        if kind == "str":
            return unhex(rest[0]).decode("utf-8", "surrogatepass")
        if kind == "bytes":
            return unhex(rest[0])
        if kind == "call":
            name, arguments, _ = self.called(object_id)
            if name == "encode":
                return self.plain(arguments[0]).encode(self.plain(arguments[1]))
            if name == "bytes" and not arguments:
                return b""
        raise Mismatch(f"{kind} where a plain value was expected")

    def same(self, value):
        """Walks value and dump together; the memo makes cycles end and checks sharing."""
        pairs = {}
        todo = [(value, self.line["root"])]
        while todo:
            value, at = todo.pop()
            if isinstance(value, (list, dict, bytearray)):
                if id(value) in pairs:
                    if pairs[id(value)] != at:
                        raise Mismatch("a shared object is two objects")
                    continue
                pairs[id(value)] = at
            todo.extend(self.same_here(value, at))

    def same_here(self, value, at):
        kind, *rest = self.objects[at]
        type_ = type(value)
        if type_ in (list, tuple):
            if kind != type_.__name__ or len(rest[0]) != len(value):
                raise Mismatch(f"{type_} and {kind}")
            return zip(value, rest[0])
        if type_ in (dict, collections.OrderedDict):
            if type_ is dict and kind == "dict":
                items = rest[0]
            else:
                name, _, call = self.called(at)
                items = call[6]
                if name != "OrderedDict":
                    raise Mismatch(name)
            if len(items) != len(value) or [self.plain(k) for k, _ in items] != list(value):
                raise Mismatch("keys differ")
            return zip(value.values(), [v for _, v in items])
        if type_ in (set, frozenset):
            if kind == type_.__name__:
                items = rest[0]
            else:
                name, arguments, _ = self.called(at)
                if name != type_.__name__:
                    raise Mismatch(name)
                items = self.objects[arguments[0]][1]
            if {self.plain(i) for i in items} != value:
                raise Mismatch("sets differ")
            return ()
        if type_ is bytearray:
            got = unhex(rest[0]) if kind == "bytearray" else self.bytearray_of(at)
        elif type_ is float:
            value = struct.pack("<d", value)
            got = self.plain(at)
        else:
            got = self.plain(at)
        if got != value or (type_ is bool) != (kind == "bool"):
            raise Mismatch(f"{value!r} and {got!r}")
        return ()

    def bytearray_of(self, at):
        name, arguments, _ = self.called(at)
        if name != "bytearray":
            raise Mismatch(name)
        return bytes(self.plain(arguments[0])) if arguments else b""


class Inert:
    """Stands for every imported name but those of dicts; takes whatever a pickle does to it."""

    def __new__(cls, *args, **kwargs):
        return object.__new__(cls)

    def __init__(self, *args, **kwargs):
        pass

    def __setstate__(self, state):
        pass

    def __setitem__(self, key, value):
        pass

    def append(self, value):
        pass

    def add(self, value):
        pass


DICTS = ("OrderedDict", "defaultdict", "Counter")


class Recorder(pickle.Unpickler):
    """Python's own unpickler, which notes each import and makes none."""

    def __init__(self, data):
        super().__init__(io.BytesIO(data))
        self.seen = []

    def find_class(self, module, name):
        self.seen.append((module, name))
        return getattr(collections, name) if module == "collections" and name in DICTS else Inert

    def persistent_load(self, pid):
        return Inert()


def mapped(module, name):
    if (module, name) in _compat_pickle.NAME_MAPPING:
        return _compat_pickle.NAME_MAPPING[(module, name)]
    return _compat_pickle.IMPORT_MAPPING.get(module, module), name


def run_machine(program, pickles):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "pickles")
        path.write_bytes(b"".join(struct.pack("<I", len(p)) + p for p in pickles))
        out = subprocess.run([program, path], stdout=subprocess.PIPE, check=True).stdout
    return [Dump(line) for line in out.decode().splitlines()]


def check_whole(value, data, dump):
    if "error" in dump.line:
        raise Mismatch(dump.line["error"])
    dump.same(value)
    operations = list(pickletools.genops(data))
    if dump.line["opcodes"] != len(operations) or dump.line["length"] != len(data):
        raise Mismatch("opcodes or length differ")
    places = [at for op, _, at in operations if op.name in ("GLOBAL", "STACK_GLOBAL", "INST")]
    if places != [at for _, _, at in dump.line["imports"]]:
        raise Mismatch("places of the imports differ")
    recorder = Recorder(data)
    recorder.load()
    wanted = [mapped(*n) if data[:1] != b"\x80" or data[1] < 3 else n for n in recorder.seen]
    if wanted != dump.imports():
        raise Mismatch(f"imports: {wanted} and {dump.imports()}")


def check_damaged(data, dump):
    recorder = Recorder(data)
    loaded = True
    try:
        recorder.load()
    except (Exception, MemoryError):
        loaded = False
    got = dump.imports()
    if len(got) < len(recorder.seen) or any(
        seen != name and mapped(*seen) != name for seen, name in zip(recorder.seen, got)
    ):
        raise Mismatch(f"Python imports {recorder.seen}, the machine saw {got}")
    if loaded and dump.line.get("error", "pickle-bad-frame") != "pickle-bad-frame":
        raise Mismatch(f"Python loads it, the machine says {dump.line['error']}")
    return loaded


def damage(rng, data):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 4])):
        at = rng.randrange(len(data))
        what = rng.randrange(5)
        if what == 0:
            data[at] = rng.randrange(256)
        elif what == 1:
            data[at] = rng.choice(b"(.012FIJKLMNPQRSTUVXabcd}eghij]lopqr)stuG\x80\x81\x82\x85\x86\x87"
                                  b"\x88\x89\x8a\x8bBC\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96\x97\x98")
        elif what == 2:
            del data[at : at + rng.randrange(1, 4)]
        elif what == 3:
            data[at:at] = bytes([rng.choice(b"(0122tld)]}.bRoea\x81\x85\x86\x94\x93")])
        else:
            del data[at:]
        if not data:
            data = bytearray(b".")
    return bytes(data)


HAND_WRITTEN = [
    b"cposix\nsystem\n(S'echo'\ntR.",
    b"(S'echo'\niposix\nsystem\n.",
    b"(S'echo'\niposix\nsystemX",
    b"cposix\nsystemX",
    b"(cposix\nsystem\nS'echo'\no.",
    b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04echo\x85R.",
    b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93\x94h\x01h\x02\x86R.",
    b"c__builtin__\neval\n(S'1'\ntR0(lp0\n0g0\n.",
    b"I01\n0I00\n0I 0\n0L5L\n0F1.5\n0V\\u20ac\\\\u\n0I0x10\n0I-077\n.",
    b"]I0\naI1\na(I2\nI3\ne2(I4\nIl0\n.",
    b"\x80\x02}(K\x01K\x02ucollections\nOrderedDict\n)R(X\x01\x00\x00\x00ak\x01u.",
    b"\x80\x02c__main__\nA\n)\x81}X\x01\x00\x00\x00aK\x01sb}X\x01\x00\x00\x00bK\x01sb.",
    b"(((0000N.",
    b"\x80\x04\x95\x04\x00\x00\x00\x00\x00\x00\x00cxos\nsystem\n.",
    b"\x80\x04\x95\x09\x00\x00\x00\x00\x00\x00\x00X\x04\x00\x00\x00ab\x85\x85cos\nsystem\n.",
    b"\x80\x04\x95\x12\x00\x00\x00\x00\x00\x00\x00\x95\x05\x00\x00\x00\x00\x00\x00\x00cxos\nsystem\n.",
    b"\x80\x04\x95\xff\x00\x00\x00\x00\x00\x00\x00cos\nsystem\n.",
]


def main():
    program = sys.argv[1]
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 150
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    rng = random.Random(20240611)

    samples = []
    for _ in range(rounds):
        pool = []
        value = random_value(rng, 4, pool)
        if pool and rng.random() < 0.5 and isinstance(pool[0], list):
            pool[0].append(pool[-1])
        for protocol in range(6):
            samples.append((value, pickle.dumps(value, protocol)))
    failures = 0
    for (value, data), dump in zip(samples, run_machine(program, [d for _, d in samples])):
        try:
            check_whole(value, data, dump)
        except Mismatch as mismatch:
            failures += 1
            print(f"FAIL {mismatch}\n  {data!r}", file=sys.stderr)

    damaged = list(HAND_WRITTEN)
    for _, data in samples:
        damaged.extend(damage(rng, data) for _ in range(6))
    damaged.extend(damage(rng, data) for data in HAND_WRITTEN for _ in range(10 * rounds))
    # CPython itself stumbles over a BYTEARRAY8 that is cut ("exported buffers").
    damaged = [data for data in damaged if b"\x96" not in data]
    loaded = 0
    for data, dump in zip(damaged, run_machine(program, damaged)):
        try:
            loaded += check_damaged(data, dump)
        except Mismatch as mismatch:
            failures += 1
            print(f"FAIL {mismatch}\n  {data!r}", file=sys.stderr)
    print(f"{len(samples)} whole pickles, {len(damaged)} damaged ones ({loaded} still load): "
          f"{failures} differences")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
