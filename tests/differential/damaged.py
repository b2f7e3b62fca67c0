#!/usr/bin/env python3
"""Damaged files: torchvet is never content with one that torch's own loader refuses, or from which
that loader reads other tensors than torchvet does.

    damaged.py --program TORCHVET --measure BENCH_MEASURE [--copies 200] [--seed N] [--only WORDS] [--keep FOLDER] [FILE...]

Makes a small sound file of every format with the real libraries (and takes the files given), damages
each in `copies` ways (damage.py), and for each copy holds to account:

  1. an exit code of 0 from `torchvet check` means that the loader of the format reads the copy, and
     that names, element types, shapes and values are those that `torchvet inspect` gives;
  2. `check` ends within 2 seconds of processor time and 256 MiB, with an exit code of the table.

The loader runs in a process of its own, begun anew when a copy kills it: what kills it is refused.
Without torch nothing can be compared: exit 77, which CTest counts as skipped."""

import argparse
import collections
import json
import pathlib
import random
import resource
import shutil
import subprocess
import sys
import tempfile

import loader_process

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"
EXIT_CODES = (0, 1, 2, 3)
SECONDS, MIB = 2, 256
LOADER_MEMORY = 8 << 30


# ---- the other side: torch's loaders, in a process of their own -------------------------------------


def facts_of(tensors: dict) -> dict:
    from torch_tensors import digest_of

    return {name: [str(tensor.dtype).removeprefix("torch."), list(tensor.shape), digest_of(tensor)]
            for name, tensor in tensors.items()}


def load_torch(path: pathlib.Path) -> dict:
    import torch_tensors

    return {record["paths"][0]: [record["dtype"], record.get("shape"), record["digest"]]
            for record in torch_tensors.tensors_of(path, trusted=False)}


def load_script(path: pathlib.Path) -> dict:
    import torch

    program = torch.jit.load(str(path), map_location="cpu")
    return facts_of({**dict(program.named_parameters(remove_duplicate=False)),
                     **dict(program.named_buffers(remove_duplicate=False))})


def load_exported(path: pathlib.Path) -> dict:
    import torch

    program = torch.export.load(str(path))
    return facts_of({**program.state_dict, **program.constants})


def load_safetensors(path: pathlib.Path) -> dict:
    from safetensors.torch import load_file

    return facts_of(load_file(path))


def load_sharded(path: pathlib.Path) -> dict:
    """As transformers does: the shards that the index names, and every key of it in its shard."""
    from safetensors.torch import load_file

    weight_map = json.loads((path / "model.safetensors.index.json").read_text())["weight_map"]
    tensors = {}
    for shard in sorted(set(weight_map.values())):
        tensors |= load_file(path / shard)
    if tensors.keys() != weight_map.keys():
        raise ValueError("the shards hold other tensors than the index names")
    return facts_of(tensors)


def load_distributed(path: pathlib.Path) -> dict:
    import torch
    from dcp_files import tensors_in
    from torch.distributed.checkpoint.format_utils import dcp_to_torch_save

    joined = path.with_name("joined.pt")
    dcp_to_torch_save(path, joined)
    return facts_of(tensors_in(torch.load(joined)))


def answer_to(question: list) -> dict:
    name, path = question
    try:
        return {"tensors": globals()[name](pathlib.Path(path))}
    except BaseException as problem:  # whatever a damaged file makes a loader raise
        return {"refuses": f"{type(problem).__name__}: {str(problem)[:300]}"}


def serve_loaders() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (LOADER_MEMORY, LOADER_MEMORY))
    loader_process.serve(answer_to)


class Loader:
    def __init__(self) -> None:
        self.process = loader_process.LoaderProcess(__file__)

    def ask(self, name: str, path: pathlib.Path) -> dict:
        return self.process.ask([name, str(path)], {"refuses": "the process of the loader died"})


# ---- sound files ------------------------------------------------------------------------------------


def make_sound(folder: pathlib.Path) -> dict[pathlib.Path, str]:
    """A file or folder of each format, with the name of its loader."""
    import torch

    sys.path.insert(0, str(SCRIPTS))
    import fixture_dcp
    import fixture_shards

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(8, 6), torch.nn.BatchNorm1d(6), torch.nn.Linear(6, 3))
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(4, 8)).square().mean().backward()
        optimizer.step()
    model.eval()
    state = model.state_dict()
    checkpoint = {"model": state, "optimizer": optimizer.state_dict(), "epoch": 3, "best": 0.5}
    torch.save(state, folder / "state.pt")
    torch.save(checkpoint, folder / "checkpoint.pt")
    torch.save(checkpoint, folder / "legacy.pt", _use_new_zipfile_serialization=False)
    torch.save({"sparse": torch.eye(3).to_sparse(), "view": torch.arange(12.).reshape(3, 4).t(),
                "half": torch.ones(3, dtype=torch.float16)}, folder / "kinds.pt")
    torch.jit.save(torch.jit.script(model), folder / "script.pt")
    torch.export.save(torch.export.export(model, (torch.randn(2, 8),)), folder / "exported.pt2")
    (folder / "weights.safetensors").write_bytes(fixture_shards.saved(fixture_shards.state()))
    fixture_shards.save_shards(folder / "shards", fixture_shards.state())
    fixture_dcp.save_sharded(folder / "distributed", 2)
    loaders = {"script": load_script, "exported": load_exported, "weights": load_safetensors,
               "shards": load_sharded, "distributed": load_distributed}
    return {path: loaders.get(path.stem, load_torch).__name__ for path in sorted(folder.iterdir())}


# ---- this side --------------------------------------------------------------------------------------


class Torchvet:
    def __init__(self, program: str, measure: str) -> None:
        self.program, self.measure = program, measure

    def says(self, path: pathlib.Path) -> str:
        run = subprocess.run([self.program, "check", "-q", "--isolated", str(path)], check=False,
                             capture_output=True)
        return (run.stdout + run.stderr).decode(errors="replace")

    def check(self, path: pathlib.Path) -> tuple[int, str]:
        """The exit code, and what is wrong with the process."""
        run = subprocess.run([self.measure, self.program, "check", "-q", "--isolated", str(path)],
                             check=True, capture_output=True)
        measured = json.loads(run.stdout)
        code, peak = measured["exit_code"], measured["peak_kib"] / 1024
        if code not in EXIT_CODES:
            return code, f"exit code {code}: {self.says(path)[-1500:]}"
        if measured["processor_seconds"] > SECONDS:
            return code, f"{measured['processor_seconds']:.1f} s of processor time"
        return code, f"{peak:.0f} MiB" if peak > MIB else ""

    def tensors_of(self, path: pathlib.Path) -> dict[str, list]:
        anchor = path
        if path.is_dir():
            metadata = path / ".metadata"
            anchor = metadata if metadata.exists() else path / "model.safetensors.index.json"
        run = subprocess.run([self.program, "inspect", "--what", "tensors", "--digests", "--format",
                              "json", str(anchor)], capture_output=True, check=False)
        found = {}
        for tensor in json.loads(run.stdout)["tensors"]:
            for name in (tensor["path"], *tensor.get("aliases", [])):
                found[name] = [tensor["dtype"], tensor["shape"], tensor.get("digest")]
        return found


def complaint(torchvet: Torchvet, loader: Loader, name: str, copy: pathlib.Path) -> tuple[str, int]:
    code, wrong = torchvet.check(copy)
    if code != 0 or wrong:
        return wrong, code
    answer = loader.ask(name, copy)
    if "refuses" in answer:
        return f"is content; {name} says: {answer['refuses']}", code
    ours = torchvet.tensors_of(copy)
    for path, facts in answer["tensors"].items():
        if ours.get(path) != facts:
            return f"is content, `{path}` is {ours.get(path)}; {name} reads {facts}", code
    return "", code


def copy_anything(path: pathlib.Path, to: pathlib.Path) -> None:
    if to.is_dir():
        shutil.rmtree(to)
    to.parent.mkdir(exist_ok=True)
    shutil.copytree(path, to) if path.is_dir() else shutil.copy(path, to)


def copy_of(sound: pathlib.Path, to: pathlib.Path, chance: random.Random) -> None:
    import damage

    if sound.is_dir():
        copy_anything(sound, to)
        damage.damage_folder(to, chance)
    else:
        to.write_bytes(damage.damaged_content(sound.read_bytes(), chance))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program")
    parser.add_argument("--measure", help="the program bench_measure")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--copies", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[], help="names of sound files")
    parser.add_argument("--number", type=int, help="this copy alone")
    parser.add_argument("--keep", type=pathlib.Path, help="where copies with a complaint are left")
    parser.add_argument("files", nargs="*", type=pathlib.Path, help="for torch.load")
    options = parser.parse_args()
    if options.serve:
        serve_loaders()
        return 0
    try:
        import safetensors  # noqa: F401
        import torch  # noqa: F401
    except ImportError as problem:
        print(f"skipped: {problem}")
        return 77

    bad, loader, torchvet = 0, Loader(), Torchvet(options.program, options.measure)
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        (root / "sound").mkdir()
        (root / "copies").mkdir()
        sound = {} if options.files and not options.only else make_sound(root / "sound")
        sound = {path: loads for path, loads in sound.items()
                 if not options.only or path.name in options.only}
        sound |= {path: "load_torch" for path in options.files}
        for path, loads in sound.items():
            code, wrong = torchvet.check(path)
            answer = loader.ask(loads, path)
            if code != 0 or wrong or "refuses" in answer:
                print(f"{path.name} is not sound: exit code {code}, {wrong}, "
                      f"{answer.get('refuses', torchvet.says(path))}")
                bad += 1
                continue
            codes: collections.Counter = collections.Counter()
            numbers = range(options.copies) if options.number is None else [options.number]
            for number in numbers:
                copy = root / "copies" / path.name
                copy_of(path, copy, random.Random(f"{path.name} {options.seed} {number}"))
                problem, code = complaint(torchvet, loader, loads, copy)
                codes[code] += 1
                if problem:
                    bad += 1
                    print(f"{path.name} --number {number} --seed {options.seed}: {problem}")
                    if options.keep:
                        copy_anything(copy, options.keep / f"{number}_{path.name}")
            print(f"{path.name}: exit codes {dict(sorted(codes.items()))}", flush=True)
    print(f"{bad} complaints")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
