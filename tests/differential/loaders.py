#!/usr/bin/env python3
"""What torchvet says of the loaders is what they do.

    loaders.py --program TORCHVET [--libtorch ASK_LIBTORCH] [--random 300] [--seed 1] [--keep FOLDER] [PATH...]

Makes files of every kind that torch.load meets (state_dicts, checkpoints, objects, streams of before
1.6, archives with a record missing, files that are no checkpoints), and pickles drawn at random from the
names and opcodes that torch's restricted unpickler knows. Each is loaded in a child process by every loader
of Python, and `torchvet inspect --what loaders` must agree: where it says that the file opens, it does; where
it says that it fails, it raises that exception with that text. Where it says that it cannot decide, nothing
is compared, but of the made files no more may be undecided than UNDECIDED says, and of the random ones
RANDOM_UNDECIDED of a thousand, of the loaders that it does not name OTHERS_UNDECIDED.

Where it says which names are to be allowed, the file is loaded with these allowed, and must open.

Loaders that execute pickles are asked of made files alone, which hold nothing that hurts; of files that are
given (a folder stands for those in it) only those that restrict them are asked. Those of C++, which execute
nothing, are asked of all through the program ask_libtorch, also of pickles drawn from what LibTorch's unpickler
knows. torch::load is undecided where the archive opens, as what it is loaded into decides: then it must open
into a list of tensors, which takes any.

Without torch nothing can be compared: exit 77, which CTest counts as skipped."""

import argparse
import collections
import io
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

import loader_archives
import loader_process

RESTRICTED = "torch.load(weights_only=True)"
MAPPED = "torch.load(mmap=True)"
# Of the made files, by loader.
UNDECIDED = {RESTRICTED: 0, MAPPED: 0, "torch.load(weights_only=False)": 70, "torch.jit.load": 2,
             "torch.export.load": 2, "safetensors": 0, "torch.distributed.checkpoint": 0}
OF_CPP = {"torch::load": 5, "torch::pickle_load": 4}
INTO_WHAT = "it depends on what the program is loaded into"
EXECUTES = {"torch.load(weights_only=False)", "torch.export.load", "torch.distributed.checkpoint"}
RANDOM_UNDECIDED = {RESTRICTED: 2, MAPPED: 2}
OTHERS_UNDECIDED = 40


# ---- torch, in a process of its own -----------------------------------------------------------------


def load_distributed(path: str) -> None:
    from torch.distributed.checkpoint import state_dict_loader

    state_dict_loader._load_state_dict_from_keys(checkpoint_id=path)


def load_safetensors(path: str) -> None:
    from safetensors.torch import load_file

    load_file(path)


def load_allowing(path: str, allowed: str) -> None:
    """Loads with what the line in the remedy allows."""
    import importlib

    import torch

    names: dict = {"torch": torch}
    for full in re.findall(r"[A-Za-z_][\w.]*", re.sub(r'"[^"]*"', "", allowed)):
        module = full
        while "." in module:
            module = module.rpartition(".")[0]
            try:
                importlib.import_module(module)
            except ImportError:
                continue
            names[module.partition(".")[0]] = importlib.import_module(module.partition(".")[0])
            break
    with torch.serialization.safe_globals(eval(f"[{allowed}]", names)):  # written by torchvet of our own files
        torch.load(path, weights_only=True)


def answer_to(question: list) -> list | None:
    """The exception and its text, or null when the file opens."""
    import torch

    loader, path, *more = question
    loaders = {RESTRICTED: lambda: torch.load(path, weights_only=True),
               MAPPED: lambda: torch.load(path, mmap=True),
               "torch.load(weights_only=False)": lambda: torch.load(path, weights_only=False),
               "torch.jit.load": lambda: torch.jit.load(path),
               "torch.export.load": lambda: torch.export.load(path),
               "safetensors": lambda: load_safetensors(path),
               "torch.distributed.checkpoint": lambda: load_distributed(path),
               "allowing": lambda: load_allowing(path, *more)}
    try:
        loaders[loader]()
    except BaseException as problem:  # whatever a file makes the loader raise
        return [type(problem).__name__, str(problem)]
    return None


def predicted(program: str, path: pathlib.Path) -> dict:
    """What is said of each loader, by its name."""
    run = subprocess.run([program, "inspect", "--isolated", "--what", "loaders", "--format", "json",
                          "--allow-incomplete", str(path)], capture_output=True, check=False, timeout=60)
    if run.returncode != 0:
        raise RuntimeError(f"{path.name}: exit {run.returncode}: {run.stderr.decode()}")
    return {one["loader"]: one for one in json.loads(run.stdout)["loaders"]}


def difference(said: dict, does: list | None) -> str:
    if said["error"] == INTO_WHAT:
        return "" if does is None else f"said: {INTO_WHAT}; torch: {does}"
    if said["opens"] is None:
        return ""
    if said["opens"]:
        return "" if does is None and not said["error"] else f"said to open; torch: {does}"
    if does is None:
        return f"said to fail ({said['error']}); torch opens it"
    exception, _, text = said["error"].partition(": ")
    if exception.rpartition(".")[2] != does[0] or text.rstrip() not in does[1]:
        return f"said: {said['error']}; torch: {does[0]}: {does[1][-600:]}"
    return ""


# ---- made files -------------------------------------------------------------------------------------


class User:
    def __init__(self) -> None:
        self.a = 1


class Reduces:
    """Pickled as a call, with whatever arguments."""

    def __init__(self, *reduced) -> None:
        self.reduced = reduced

    def __reduce__(self):
        return self.reduced


def objects() -> dict:
    """What is saved with torch.save in the zip format."""
    import argparse as arguments
    import datetime
    import decimal
    import fractions
    import functools
    import pathlib as paths
    import re
    import types
    import uuid

    import numpy
    import torch
    from torch import nn

    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    adam = torch.optim.AdamW(net.parameters(), 1e-3)
    net(torch.randn(5, 4)).sum().backward()
    adam.step()
    state = net.state_dict()
    shared = torch.ones(3)
    cycle_list: list = []
    cycle_list.append(cycle_list)
    cycle_dict: dict = {}
    cycle_dict["self"] = cycle_dict
    cycle_tuple: list = []
    outer = (cycle_tuple,)
    cycle_tuple.append(outer)
    with_attribute = torch.ones(2)
    with_attribute.note = 3
    parameter = nn.Parameter(torch.ones(2))
    attributed = torch.ones(2)
    attributed.tags, attributed._is_hf_initialized, attributed.set_ = ["a"], True, 3
    noted = nn.Parameter(torch.ones(2))
    noted.note = 3
    made = {
        "tensor": torch.arange(4.0), "view": torch.arange(10.0)[2:5], "zero_elements": torch.empty(0),
        "shared": [shared] * 2, "scalar": torch.tensor(3.0), "transposed": torch.ones(2, 3).t(),
        "conj": torch.ones(2, dtype=torch.complex64).conj(), "neg": torch.ones(2, dtype=torch.complex64)
        .conj().imag, "requires_grad": torch.ones(2, requires_grad=True), "state_dict": state,
        "state_dict_plain": dict(state), "optimizer": {"model": state, "optimizer": adam.state_dict(),
                                                       "epoch": 3},
        "scheduler": torch.optim.lr_scheduler.StepLR(adam, 2).state_dict(),
        "one_cycle": torch.optim.lr_scheduler.OneCycleLR(adam, 0.1, 10).state_dict(),
        "lambda": torch.optim.lr_scheduler.LambdaLR(adam, lambda step: 1.0).state_dict(),
        "parameter": parameter, "parameter_attribute": noted, "tensor_attribute": with_attribute,
        "buffer": nn.Buffer(torch.ones(2)), "uninitialised": nn.UninitializedParameter(),
        "module": nn.Linear(2, 2), "sequential": net, "user": User(), "function": answer_to, "class": User,
        "numpy_array": numpy.ones(2), "numpy_scalar": numpy.float64(1.5), "numpy_dtype":
        numpy.dtype("float32"), "numpy_key": {numpy.int64(3): 1}, "namespace": arguments.Namespace(a=1),
        "simple_namespace": types.SimpleNamespace(a=1), "path": paths.PurePosixPath("/a"), "datetime":
        datetime.datetime(2020, 1, 1), "timedelta": datetime.timedelta(1), "decimal":
        decimal.Decimal("1.5"), "uuid": uuid.UUID(int=1), "fraction": fractions.Fraction(1, 2), "regular":
        re.compile("a"), "partial": functools.partial(len), "set": {1, 2}, "set_empty": set(), "counter":
        collections.Counter("aab"), "counter_empty": collections.Counter(), "ordered":
        collections.OrderedDict(a=1), "complex": 1 + 2j, "bytearray": bytearray(b"ab\xff"),
        "bytearray_empty": bytearray(), "bytes": b"ab\xff", "bytes_empty": b"", "frozenset":
        frozenset({1}), "slice": slice(1, 2), "range": range(3), "none_type": type(None), "int_type": int,
        "ellipsis": ..., "not_implemented": NotImplemented, "defaultdict":
        collections.defaultdict(list, a=[1]), "deque": collections.deque([1]), "chainmap":
        collections.ChainMap({"a": 1}), "big_int": 1 << 70, "int_2040": 1 << 2030, "huge_int": 1 << 3000,
        "long_text": "x" * 300, "surrogate": "\ud800", "nan": float("nan"), "none": None, "nested_tuples":
        ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)), "negative": [-1, -(1 << 40), 1 << 62], "keys":
        {(1, "a"): 1, None: 2, 1.5: 3, True: 4}, "dtype": torch.float32, "device": torch.device("cuda:1"),
        "device_cpu": torch.device("cpu"), "size": torch.Size([1, 2]), "layout": torch.strided, "qscheme":
        torch.per_tensor_affine, "generator": torch.Generator(), "untyped": torch.UntypedStorage(3),
        "coo": torch.eye(3).to_sparse(), "csr": torch.eye(3).to_sparse_csr(), "csc":
        torch.eye(3).to_sparse_csc(), "quantized": torch.quantize_per_tensor(torch.ones(4), 0.1, 2, torch.qint8),
        "quantized_channels": torch.quantize_per_channel(
            torch.ones(2, 3), torch.tensor([0.1, 0.2], dtype=torch.double), torch.tensor([0, 1]), 0, torch.quint8),
        "attributes": attributed, "meta":
        torch.ones(2, device="meta"), "cycle_list": cycle_list, "cycle_dict": cycle_dict,
        "cycle_inner": cycle_tuple, "cycle_outer": outer,
        "system": Reduces(os.system, ("true",)), "eval": Reduces(eval, ("1",)), "printer":
        Reduces(print, ("a",)), "from_bytes": Reduces(torch.storage._load_from_bytes, (b"",)),
        "bad_layout": Reduces(torch.serialization._get_layout, ("torch.nope",)), "too_few":
        Reduces(torch._utils._rebuild_tensor_v2, (1, 2)), "too_many":
        Reduces(torch._utils._rebuild_parameter, (1, 2, 3, 4)), "dtype_called": Reduces(torch.Size, ((1,),)),
    }
    for name in ("float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu", "bfloat16", "float16", "complex64",
                 "complex32", "uint16", "uint32", "uint64", "bool", "int8"):
        made[f"dtype_{name}"] = torch.empty(2, dtype=getattr(torch, name))
    return made


def save_objects(folder: pathlib.Path) -> None:
    import torch

    for name, value in objects().items():
        torch.save(value, folder / f"{name}.pt")
    state = objects()["state_dict"]
    for protocol in range(6):
        torch.save(state, folder / f"protocol_{protocol}.pt", pickle_protocol=protocol)
        torch.save([b"ab", None], folder / f"bytes_protocol_{protocol}.pt", pickle_protocol=protocol)
    for name in ("state_dict", "tensor", "shared", "module", "optimizer", "set", "zero_elements", "user"):
        torch.save(objects()[name], folder / f"stream_{name}.pt",
                   _use_new_zipfile_serialization=False)
    torch.save(state, folder / "stream_protocol_4.pt", pickle_protocol=4,
               _use_new_zipfile_serialization=False)
    net = objects()["module"]
    torch.jit.save(torch.jit.script(net), folder / "script.pt")
    torch.jit.save(torch.jit.trace(net, torch.ones(1, 2)), folder / "traced.pt")
    torch.export.save(torch.export.export(net, (torch.ones(1, 2),)), folder / "exported.pt2")


def make_others(folder: pathlib.Path) -> None:
    import numpy
    import pickle
    import tarfile

    import torch

    content = (folder / "state_dict.pt").read_bytes()
    stream = (folder / "stream_state_dict.pt").read_bytes()
    others = {
        "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12\n",
        "html": b"<!DOCTYPE html><html></html>", "newline": b"\n\n", "json": b'{"a": 1}', "not_found":
        b"Not Found", "entry": b"Entry not found", "empty": b"", "bom": b"\xef\xbb\xbfa", "gzip":
        b"\x1f\x8b\x08", "xz": b"\xfd7zXZ\0", "bzip2": b"BZh91AY", "zstd": b"\x28\xb5\x2f\xfd", "seven":
        b"7z\xbc\xaf", "rar": b"Rar!\x1a\x07", "gguf": b"GGUF\3\0\0\0", "hdf5": b"\x89HDF\r\n", "onnx":
        b"\x08\x07\x12", "elf": b"\x7fELF", "pdf": b"%PDF-1.4", "png": b"\x89PNG", "zeros": bytes(4096),
        "few_zeros": bytes(100), "empty_zip": b"PK\5\6" + bytes(18), "leading": b"a" + content,
        "pickle_2": pickle.dumps({"a": 1}, 2), "pickle_4": pickle.dumps({"a": 1}, 4), "pickle_state":
        pickle.dumps(objects()["tensor"], 2), "pickle_int": pickle.dumps(3, 2), "truncated_pickle":
        pickle.dumps(["a", 1.5, 300, 1 << 40, "b" * 300], 2)[:-20],
    }
    for cut in (2, 3, 4, 20, 21, 30, len(content) // 4, len(content) // 2, len(content) - 100,
                len(content) - 22, len(content) - 1):
        others[f"cut_{cut}"] = content[:cut]
    for cut in (1, 5, 14, 20, 40, 100, 200, 300, 400, len(stream) // 2, len(stream) - 60,
                len(stream) - 20, len(stream) - 5, len(stream) - 1):
        others[f"stream_cut_{cut}"] = stream[:cut]
    others["stream_protocol_1000"] = stream.replace(b"M\xe9\x03", b"M\xe8\x03", 1)
    others["stream_magic"] = stream.replace(b"\x6c\xfc\x9c", b"\x6c\xfc\x9d", 1)
    for name, data in others.items():
        (folder / f"other_{name}.bin").write_bytes(data)
    numpy.savez(folder / "other_numpy.npz", a=numpy.ones(2))
    numpy.save(folder / "other_numpy.npy", numpy.ones(2))
    (folder / "other_zip.safetensors").write_bytes(content)
    with tarfile.open(folder / "other_tar.pt", "w") as tar:
        for name in ("storages", "tensors", "pickle"):
            member = tarfile.TarInfo(name)
            member.size = 3
            tar.addfile(member, io.BytesIO(b"abc"))
    try:
        from safetensors.torch import save_file
    except ImportError:
        return
    save_file({"a": torch.ones(2)}, folder / "other_good.safetensors")
    save_file({"a": torch.ones(2)}, folder / "other_named.pt")


# ---- all of them --------------------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program")
    parser.add_argument("--libtorch", help="the program ask_libtorch; without it C++ is not asked")
    parser.add_argument("--cpp-only", action="store_true", help="only the loaders of C++ are asked")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--random", type=int, default=300, help="pickles drawn at random")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verbose", action="store_true", help="what is undecided of the made files")
    parser.add_argument("--keep", type=pathlib.Path, help="where the files are left")
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    if options.serve:
        loader_process.serve(answer_to)
        return 0
    try:
        import numpy  # noqa: F401
        import torch
    except ImportError as problem:
        print(f"skipped: {problem}")
        return 77
    if not torch.__version__.startswith("2.13.") or torch.cuda.is_available():
        print("skipped: the predictions are compared with torch 2.13 on a machine without a GPU")
        return 77

    import loader_pickles

    if options.cpp_only and not options.libtorch:
        parser.error("--cpp-only needs --libtorch")
    given = [file for path in options.files
             for file in (sorted(filter(pathlib.Path.is_file, path.rglob("*"))) if path.is_dir() else [path])]
    differing = 0
    # The others import modules, which allow names in their process.
    restricted, others = (loader_process.LoaderProcess(__file__) for _ in range(2))
    cpp = loader_process.LoaderProcess(options.libtorch, program=True) if options.libtorch else None
    with tempfile.TemporaryDirectory() as name:
        folder = options.keep or pathlib.Path(name)
        made, drawn, drawn_for_cpp = folder / "made", folder / "drawn", folder / "drawn_for_cpp"
        for part in (made, drawn, drawn_for_cpp):
            part.mkdir(parents=True, exist_ok=True)
        save_objects(made)
        loader_archives.make_archives(made)
        loader_archives.make_programs(made)
        make_others(made)
        for where, drawer in ((drawn, loader_pickles.Drawer(random.Random(options.seed))),
                              (drawn_for_cpp, loader_pickles.LibtorchDrawer(random.Random(options.seed)))):
            for number in range(options.random):
                drawer.archive(where / f"{number}.pt")
        dying = ["death of the process", ""]
        for what, paths in (("made", sorted(made.iterdir())), ("random", sorted(drawn.iterdir())),
                            ("random for C++", sorted(drawn_for_cpp.iterdir())), ("given", given)):
            asked_of = [] if what == "random for C++" or options.cpp_only else [
                loader for loader in UNDECIDED if what == "made" or loader not in EXECUTES]
            asked_of += OF_CPP if cpp else []
            counts: dict = {loader: collections.Counter() for loader in asked_of}
            helped = 0
            for path in paths:
                said_of = predicted(options.program, path)
                for loader in asked_of:
                    process = (cpp if loader in OF_CPP else restricted if loader in (RESTRICTED, MAPPED)
                               else others)
                    said, does = said_of[loader], process.ask([loader, str(path)], dying)
                    wrong = difference(said, does)
                    if wrong:
                        differing += 1
                        print(f"{what} {path.name}: {loader}: {wrong}")
                    counts[loader][{True: "open", False: "fail", None: "undecided"}[said["opens"]]] += 1
                    if said["opens"] is None and what == "made" and options.verbose:
                        print(f"{what} {path.name}: {loader}: undecided: {said['error']}; torch: {does}"[:300])
                allowed = re.search(r"add_safe_globals\(\[(.*)\]\)", said_of[RESTRICTED]["remedy"])
                if allowed and what == "made" and RESTRICTED in asked_of:
                    helped += 1
                    does = others.ask(["allowing", str(path), allowed[1]], dying)
                    if does is not None:
                        differing += 1
                        print(f"{what} {path.name}: allowing {allowed[1]} does not help: {does}"[:600])
            for loader, count in counts.items():
                print(f"{what}: {loader}: {dict(count)} of {len(paths)}")
                rate = RANDOM_UNDECIDED.get(loader, OTHERS_UNDECIDED)
                most = {**UNDECIDED, **OF_CPP}[loader] if what == "made" else len(paths) * rate // 1000
                if what != "given" and count["undecided"] > most:
                    print(f"{what}: {loader}: more than {most} undecided")
                    differing += 1
            if what == "made" and RESTRICTED in asked_of:
                print(f"{what}: {helped} files open with the names that are said to be allowed")
                if helped == 0:
                    differing += 1
    print(f"{differing} differ")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
