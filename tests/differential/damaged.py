#!/usr/bin/env python3
"""Damaged files: torchvet is never content with one that torch's own loader refuses, or from which
that loader reads other tensors than torchvet does.

    damaged.py --program TORCHVET --measure BENCH_MEASURE [--copies 200] [--seed N] [--only WORDS] [--keep FOLDER]
               [--pass-by] [FILE...]

Makes a small sound file of every format with the real libraries (and takes the files given), damages
each in `copies` ways (damage.py), and for each copy holds to account:

  1. an exit code of 0 from `torchvet check` means that the loader of the format reads the copy, and
     that names, element types, shapes and values are those that `torchvet inspect` gives;
  2. `check` ends within 2 seconds of processor time and 256 MiB, with an exit code of the table.

The loader runs in a process of its own, begun anew when a copy kills it: what kills it is refused.
Without torch nothing can be compared: exit 77, which CTest counts as skipped."""

import argparse
import collections
import gzip
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

import format_loaders
import loader_process

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"
EXIT_CODES = (0, 1, 2, 3)
SECONDS, MIB = 2, 256


# ---- the other side: the loaders of the formats, in a process of their own ----------------------------


class Loader:
    def __init__(self) -> None:
        self.process = loader_process.LoaderProcess(format_loaders.__file__)

    def ask(self, name: str, path: pathlib.Path) -> dict:
        return self.process.ask([name, str(path)], {"refuses": "the process of the loader died"})


# ---- sound files ------------------------------------------------------------------------------------


def make_sound(folder: pathlib.Path) -> dict[pathlib.Path, str]:
    """A file or folder of each format, with the name of its loader."""
    import torch

    sys.path.insert(0, str(SCRIPTS))
    import fixture_dcp
    import fixture_package
    import fixture_shards
    import fixture_tar

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
    fixture_dcp.save_safetensors(folder / "parts", 2)
    fixture_package.save_package(folder / "package.pt", {("weights", "state.pkl"): state})
    fixture_tar.save_tar(folder / "tar.pt", dict(state))
    (folder / "compressed.pt.gz").write_bytes(gzip.compress((folder / "state.pt").read_bytes(), mtime=0))
    loaders = {"shards": "load_sharded", "distributed": "load_distributed", "parts": "load_parts"}
    return {path: loaders.get(path.name) or format_loaders.loader_of(path)
            for path in sorted(folder.iterdir())}


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
            known = [path / ".metadata", path / "model.safetensors.index.json"]
            anchor = next((one for one in known if one.exists()), min(path.glob("*.safetensors"), default=path))
        run = subprocess.run([self.program, "inspect", "--what", "tensors", "--digests", "--format",
                              "json", str(anchor)], capture_output=True, check=False)
        found = {}
        for tensor in json.loads(run.stdout)["tensors"]:
            for name in (tensor["path"], *tensor.get("aliases", [])):
                found[name] = [tensor["dtype"], tensor["shape"], tensor.get("digest")]
        return found


def agrees(ours: list | None, theirs: list) -> bool:
    """What torch does not tell of a tensor (the shape of a nested one) is not compared."""
    return ours is not None and all(fact in (None, own) for own, fact in zip(ours, theirs, strict=True))


def complaint(torchvet: Torchvet, loader: Loader, name: str, copy: pathlib.Path) -> tuple[str, int]:
    code, wrong = torchvet.check(copy)
    if code != 0 or wrong:
        return wrong, code
    answer = loader.ask(name, copy)
    if "refuses" in answer:
        return f"is content; {name} says: {answer['refuses']}", code
    ours = torchvet.tensors_of(copy)
    for path, facts in answer["tensors"].items():
        if "[<" in path or "[(" in path or " at 0x" in path:  # below a key of no plain type
            continue
        if not agrees(ours.get(path), facts):
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
    parser.add_argument("--copies", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[], help="names of sound files")
    parser.add_argument("--number", type=int, help="this copy alone")
    parser.add_argument("--keep", type=pathlib.Path, help="where copies with a complaint are left")
    parser.add_argument("--pass-by", action="store_true", help="files given that are not sound are no complaint")
    parser.add_argument("files", nargs="*", type=pathlib.Path, help="besides or, without --only, instead of these")
    options = parser.parse_args()
    try:
        import safetensors  # noqa: F401
        import torch  # noqa: F401
    except ImportError as problem:
        print(f"skipped: {problem}")
        return 77

    bad, passed_by, loader, torchvet = 0, 0, Loader(), Torchvet(options.program, options.measure)
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        (root / "sound").mkdir()
        (root / "copies").mkdir()
        sound = {} if options.files and not options.only else make_sound(root / "sound")
        sound = {path: loads for path, loads in sound.items()
                 if not options.only or path.name in options.only}
        if missing := set(options.only) - {path.name for path in sound}:
            parser.error(f"no sound file is called {', '.join(sorted(missing))}")
        sound |= {path: format_loaders.loader_of(path) for path in options.files}
        for path, loads in sound.items():
            code, wrong = torchvet.check(path)
            answer = loader.ask(loads, path)
            if options.pass_by and path in options.files and (code != 0 or "refuses" in answer):
                passed_by += 1
                continue
            if code != 0 or wrong or "refuses" in answer:
                print(f"{path.name} is not sound: exit code {code}, {wrong}, "
                      f"{answer.get('refuses', torchvet.says(path))}")
                bad += 1
                continue
            shutil.rmtree(root / "copies")  # what lies beside a file can be a part of it
            (root / "copies").mkdir()
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
    print(f"{bad} complaints" + (f", {passed_by} files passed by" if passed_by else ""))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
