"""Pickles drawn at random from the names and opcodes that torch's restricted unpickler knows."""

import pathlib
import random
import struct
import zipfile


class Drawer:
    """Pickles of opcodes that fit what lies on the stack, mostly; with storages that exist, mostly."""

    def __init__(self, chance: random.Random) -> None:
        from torch._weights_only_unpickler import _get_allowed_globals

        self.chance = chance
        self.names = sorted(_get_allowed_globals())
        self.foreign = ["os.system", "posix.system", "sys.exit", "builtins.eval", "__builtin__.set",
                        "__builtin__.xrange", "__builtin__.intern", "numpy.dtype", "os.path.join",
                        "torch.nn.modules.linear.Linear", "copy_reg._reconstructor", "builtinsx.y",
                        "torch._dynamo.decorators._DimRange", "torch.distributed.tensor.DTensor",
                        "torch.UntypedStorage", "torch.nn.Parameter", "collections.deque"]
        self.storages = {"0": 16, "1": 0, "2": 40}

    def name(self, full: str) -> bytes:
        module, _, name = full.rpartition(".")
        return f"c{module}\n{name}\n".encode()

    def text(self, value: str) -> bytes:
        raw = value.encode()
        return b"X" + struct.pack("<I", len(raw)) + raw

    def whole(self) -> bytes:
        kind = self.chance.randrange(4)
        if kind == 0:
            return b"K" + bytes([self.chance.randrange(6)])
        if kind == 1:
            return b"M" + struct.pack("<H", self.chance.randrange(1000))
        if kind == 2:
            return b"J" + struct.pack("<i", self.chance.randrange(-3, 9))
        length = self.chance.randrange(11)
        return b"\x8a" + bytes([length]) + self.chance.randbytes(length)

    def numbers(self, most: int) -> bytes:
        count = self.chance.randrange(3)
        return b"(" + b"".join(b"K" + bytes([self.chance.randrange(most)]) for _ in range(count)) + b"t"

    def storage(self) -> bytes:
        key = self.chance.choice(["0", "0", "1", "2", "2", "7"])
        kind, size = self.chance.choice([("FloatStorage", 4), ("LongStorage", 8), ("ByteStorage", 1),
                                         ("BoolStorage", 1), ("HalfStorage", 2)])
        numel = self.storages.get(key, 4) // size
        if self.chance.random() < 0.05:
            numel += 1
        location = "cpu" if self.chance.random() < 0.95 else self.chance.choice(["cuda:0", "meta", "foo"])
        return (b"(" + self.text("storage") + self.name(f"torch.{kind}") + self.text(key)
                + self.text(location) + b"K" + bytes([numel]) + b"tQ")

    def tensor(self) -> bytes:
        size = self.chance.choice([b")", b"K\1\x85", b"K\2\x85", b"K\2K\2\x86", self.numbers(3)])
        stride = self.chance.choice([b")", b"K\1\x85", b"K\2K\1\x86", self.numbers(3)])
        if self.chance.random() < 0.7:
            size, stride = self.chance.choice([(b")", b")"), (b"K\1\x85", b"K\1\x85"),
                                               (b"K\2K\1\x86", b"K\1K\1\x86"), (b"K\0\x85", b"K\1\x85")])
        flag = b"\x88" if self.chance.random() < 0.2 else b"\x89"
        return (self.name("torch._utils._rebuild_tensor_v2") + b"(" + self.storage() + b"K"
                + bytes([self.chance.choice([0, 0, 0, 1, 9])]) + size + stride + flag
                + self.name("collections.OrderedDict") + b")RtR")

    def value(self, depth: int = 0) -> bytes:
        kind = self.chance.randrange(26 if depth < 3 else 12)
        deeper = depth + 1
        if kind < 3:
            return self.whole()
        if kind == 3:
            return self.chance.choice([b"N", b"\x88", b"\x89", b")", b"]", b"}", b"\x8f"])
        if kind == 4:
            return b"G" + struct.pack(">d", self.chance.choice([0.0, 1.5]))
        if kind == 5:
            return self.text(self.chance.choice(["a", "", "storage", "\u00e9", "\u20ac"]))
        if kind == 6:
            return b"U\x02ab"
        if kind < 10:
            return self.tensor()
        if kind == 10:
            return self.name(self.chance.choice(self.names))
        if kind == 11:
            return self.name(self.chance.choice(self.foreign)) if self.chance.random() < 0.1 else b"N"
        parts = [self.value(deeper) for _ in range(self.chance.randrange(4))]
        many = b"".join(parts)
        if kind < 14:
            return b"(" + many + b"t"
        if kind < 16:
            return b"](" + many + b"e"
        if kind < 18:
            keys = b"".join((self.text(str(i)) if self.chance.random() < 0.9 else self.value(deeper)) + part
                            for i, part in enumerate(parts))
            target = self.chance.choice([b"}", b"}", self.name("collections.OrderedDict") + b")R",
                                         self.name("collections.OrderedDict") + b")\x81", b"]"])
            return target + b"(" + keys + b"u"
        if kind == 18:
            return self.name("builtins.set") + b"](" + many + b"e\x85R"
        if kind == 19:
            return self.name("torch.Size") + self.numbers(5) + b"\x85R"
        if kind == 20:
            return (self.name("torch._utils._rebuild_parameter") + b"(" + self.tensor()
                    + self.chance.choice([b"\x88", b"\x89"]) + self.name("collections.OrderedDict")
                    + b")RtR")
        if kind == 21:
            return self.value(deeper) + self.value(deeper) + b"b"
        if kind == 22:
            return self.name(self.chance.choice(self.names)) + b"(" + many + b"tR"
        if kind == 23:
            return self.name(self.chance.choice(self.names)) + b")\x81"
        if kind == 24:
            index = self.chance.randrange(4)
            return self.value(deeper) + b"q" + bytes([index]) + b"h" + bytes([index]) + b"\x86"
        return self.value(deeper) + self.chance.choice([b"R)", b"a", b"s", b"Q", b"h\x63", b"\x93", b"0",
                                                       b"e", b"u", b"t", b"\x87", b"\x81"])

    def pickle(self) -> bytes:
        made = b"\x80\x02" + self.value() + b"."
        if self.chance.random() < 0.05:
            made = made[:self.chance.randrange(len(made))]
        if self.chance.random() < 0.05:
            at = self.chance.randrange(len(made) + 1)
            made = made[:at] + self.chance.randbytes(1) + made[at + 1:]
        return made

    def archive(self, path: pathlib.Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a/data.pkl", self.pickle())
            archive.writestr("a/version", "3\n")
            for key, size in self.storages.items():
                archive.writestr(f"a/data/{key}", bytes(size))


class LibtorchDrawer(Drawer):
    """The same of what LibTorch's unpickler knows, which has other names and opcodes."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
        own = ["build_intlist", "build_tensorlist", "build_doublelist", "build_boollist",
               "restore_type_tag", "build_tensor_from_id", "nothing"]
        self.names = ([f"torch.jit._pickle.{name}" for name in own] * 2
                      + ["torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter",
                         "torch._tensor._rebuild_from_type_v2", "builtins.complex", "torch.device",
                         "torch.Tensor", "torch.FloatStorage", "torch.per_tensor_affine",
                         "collections.OrderedDict", "__main__.IntList", "__main__.TensorID"])
        self.foreign = ["__torch__.Net", "os.system", "torch.Size", "__main__.Net", "builtins.set",
                        "torch.cuda.FloatStorage", "builtins." + "x" * 300, "a b.c"]

    def whole(self) -> bytes:
        made = super().whole()
        return b"\x8a\x08" + self.chance.randbytes(8) if made[0] == 0x8A and self.chance.random() < 0.8 else made

    def value(self, depth: int = 0) -> bytes:
        kind = self.chance.randrange(14 if depth < 3 else 4)
        deeper = depth + 1
        if kind >= 7:
            return super().value(depth)
        if kind == 0:
            return b"\x8d" + struct.pack("<Q", 2) + b"ab"
        if kind == 1:
            return self.text(self.chance.choice("xy") * self.chance.choice([3, 60, 70, 190, 250, 300]))
        if kind == 2:
            return self.text("cpu" if self.chance.random() < 0.5 else self.chance.choice(["cpu:0", "meta", "no"]))
        if kind == 3:
            return self.tensor()
        if kind == 4:
            kind_of, item = self.chance.choice([("int", b"K\1"), ("tensor", self.tensor()), ("double", b"G" + bytes(8)),
                                                ("bool", b"\x88")])
            many = b"](" + item * self.chance.randrange(3) + b"e"
            made = self.name(f"torch.jit._pickle.build_{kind_of}list") + many + b"\x85R"
            return made + self.chance.choice([b"", b"", b"(" + item + b"e", item + b"a", self.value(deeper) + b"a"])
        if kind == 5:
            type_name = self.chance.choice(["List[int]", "Dict[str, Tensor]", "List[Tensor]", "Dict[int, List[float]]",
                                            "Tuple[int, str]", "int", "List[Optional[Tensor]]", "List[bool]"])
            return (self.name("torch.jit._pickle.restore_type_tag")
                    + self.chance.choice([b"]", b"}", self.value(deeper)]) + self.text(type_name) + b"\x86R")
        return (self.name("torch._tensor._rebuild_from_type_v2") + b"("
                + self.name("torch._utils._rebuild_tensor_v2") + self.name("torch.Tensor")
                + b"(" + self.storage() + b"K\0K\1\x85K\1\x85\x89" + self.name("collections.OrderedDict") + b")Rt"
                + self.chance.choice([b"}", b"}", self.value(deeper)]) + b"tR")
