"""Archives of torch with one thing changed in each: records taken out, versions, places of storages; and in
programs of TorchScript the objects that their pickles build."""

import pathlib
import re
import struct
import zipfile


def edited(path: pathlib.Path, to: pathlib.Path, edit) -> None:
    """The archive with what `edit` makes of each name and content: pairs of them."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(to, "w") as new:
        for name in old.namelist():
            for changed, content in edit(name, old.read(name)):
                new.writestr(changed, content)


def location_changed(location: str):
    def edit(name: str, content: bytes):
        old = b"X\x03\x00\x00\x00cpu"
        new = b"X" + struct.pack("<I", len(location)) + location.encode()
        return [(name, content.replace(old, new) if name.endswith("data.pkl") else content)]

    return edit


def make_archives(folder: pathlib.Path) -> None:
    sound = folder / "tensor.pt"

    def drop(ending: str):
        return lambda name, content: [] if name.endswith(ending) else [(name, content)]

    def replace(ending: str, by: bytes):
        return lambda name, content: [(name, by if name.endswith(ending) else content)]

    edits = {
        "no_pickle": drop("data.pkl"), "no_version": drop("version"), "no_storage": drop("data/0"),
        "no_byteorder": drop("byteorder"), "version_3": replace("version", b"3\n"),
        "version_10": replace("version", b"10\n"), "version_11": replace("version", b"11\n"),
        "version_text": replace("version", b"abc\n"), "version_0": replace("version", b"0\n"),
        "byteorder_wrong": replace("byteorder", b"middle"), "byteorder_big": replace("byteorder", b"big"),
        "byteorder_no_text": replace("byteorder", b"\xff"), "alignment_text": replace(".storage_alignment", b"abc"),
        "alignment_spaces": replace(".storage_alignment", b" 6_4 "), "id_no_text":
        replace(".data/serialization_id", b"\xff"), "short": replace("data/0", b"\0" * 12),
        "long": replace("data/0", b"\0" * 20), "empty_storage": replace("data/0", b""),
        "flat": lambda name, content: [(name.rpartition("/")[2], content)],
        "renamed": lambda name, content: [("other/" + name.partition("/")[2], content)],
        "upper_case": lambda name, content: [(name.replace("data.pkl", "DATA.PKL"), content)],
        "constants": lambda name, content: [(name, content)] + [("tensor/constants.pkl", b"")]
        * (name == "tensor/version"),
    }
    for location in ("cuda", "cuda:0", "cuda:1", "xpu:0", "mtia:0", "hpu", "privateuseone:0", "mps",
                     "mps:0", "npu:0", "xla:0", "cpu:0", "", "CUDA:0", "foo", "meta"):
        edits["location_" + location.replace(":", "_")] = location_changed(location)
    for name, edit in edits.items():
        edited(sound, folder / f"archive_{name}.pt", edit)
    with zipfile.ZipFile(sound) as old, zipfile.ZipFile(folder / "archive_apple.pt", "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        new.writestr("__MACOSX/._data.pkl", b"")


def make_programs(folder: pathlib.Path) -> None:
    """Programs whose pickles or classes were changed, one thing each."""
    import torch

    sound = folder / "program.pt"
    program = torch.jit.script(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)).eval())
    program.save(sound)
    with zipfile.ZipFile(sound) as archive:
        linear, = set(re.findall(rb"c__torch__\.torch\.nn\.modules\.linear[.\w]*\nLinear\n",
                                 archive.read("program/data.pkl")))

    def text(value: bytes) -> bytes:
        return b"X" + struct.pack("<I", len(value)) + value

    def put_before(key: bytes, value: bytes) -> tuple[bytes, bytes]:
        """Another value under the key, whose own is then under a key that nobody asks for."""
        return text(key), text(key) + value + text(b"other")

    norm, pickle, constants = b"BatchNorm1d\n", "program/data.pkl", "program/constants.pkl"
    code = "/" + linear.split(b"\n")[0].decode().rpartition(".")[2] + ".py"
    edits = {
        "attribute_missing": (pickle, text(b"weight"), text(b"weighs")),
        "flag_missing": (pickle, text(b"training"), text(b"trainin_")),
        "class_missing": (pickle, linear, linear.replace(b"Linear", b"Linea_")),
        "class_renamed": (code, b"class Linear(", b"class Linea_("),
        "class_of_another": (pickle, norm, b"Sequential\n"),
        "class_of_cpp": (pickle, linear, b"c__torch__.torch.classes.nope\nLinear\n"),
        "class_of_python": (pickle, linear, b"cos\nsystem\n"), "norm_missing": (pickle, norm, b"BatchNorm9d\n"),
        "ordered_dict": (pickle, linear, b"ccollections\nOrderedDict\n"),
        "parameter_is_int": (pickle, *put_before(b"bias", b"K\1")), "module_is_int":
        (pickle, *put_before(b"0", b"K\1")), "module_is_none": (pickle, *put_before(b"1", b"N")),
        "module_is_tensor": (pickle, *put_before(b"1", b"]")), "flag_is_text":
        (pickle, *put_before(b"training", text(b"no"))), "constants_list": (constants, b")", b"]"),
        "constants_int": (constants, b")", b"K\1"), "constants_two": (constants, b")", b"))"),
        "state_is_none": (pickle, b"}(", b"N("), "protocol_4": (pickle, b"\x80\2", b"\x80\4"),
        "location_cuda": (pickle, text(b"cpu"), text(b"cuda")), "location_cuda_0":
        (pickle, text(b"cpu"), text(b"cuda:0")), "cut": (pickle, b"bias", b""),
    }
    for name, (member, old, new) in edits.items():
        def edit(found: str, content: bytes, member: str = member, old: bytes = old, new: bytes = new):
            if not found.endswith(member):
                return [(found, content)]
            assert old in content, (found, old)
            return [(found, content.replace(old, new, 1))]

        edited(sound, folder / f"program_{name}.pt", edit)
    for name, root in {"int": b"K\1", "none": b"N", "list": b"]", "dict": b"}"}.items():
        edited(sound, folder / f"program_root_{name}.pt", lambda found, content, root=root: [
            (found, b"\x80\2" + root + b"." if found == pickle else content)])
