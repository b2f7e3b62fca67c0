#!/usr/bin/env python3
"""Makes the fixtures: runs fixtures/<CODE>/recipe.py for each code given, or for all of them.

    scripts/make_fixtures.py            all
    scripts/make_fixtures.py REG002     one
    scripts/make_fixtures.py --check    changes nothing; says which files would differ

Needs torch (the version that CMake names) and numpy. Every recipe runs in a process of its own, with
the same seeds and one thread, because torch numbers the classes of programs as a process meets them.
torch.jit.script writes a module's constants in the order of a Python set, so hashes have a seed too.
Python files, README.md and contract.json in a rule's folder are kept; everything else there is the recipe's work.
"""

import argparse
import filecmp
import importlib.util
import os
import pathlib
import random
import shutil
import sys
import tempfile
import traceback
import warnings

ROOT = pathlib.Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "fixtures"
sys.path.insert(0, str(ROOT / "scripts"))
sys.dont_write_bytecode = True

import rule_places  # noqa: E402


def with_hash_seed() -> None:
    """Starts this program again if need be: Python takes the seed of its hashes at the start only."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | {"PYTHONHASHSEED": "0"})


def run_recipe(folder: pathlib.Path, out: pathlib.Path) -> None:
    import numpy
    import torch

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    random.seed(0)
    numpy.random.seed(0)
    torch.manual_seed(0)
    # Classes of a recipe are pickled as `recipe.Name`, wherever the tree lies.
    spec = importlib.util.spec_from_file_location("recipe", folder / "recipe.py")
    recipe = importlib.util.module_from_spec(spec)
    sys.modules["recipe"] = recipe
    spec.loader.exec_module(recipe)
    recipe.make(out)


def in_child(folder: pathlib.Path, out: pathlib.Path) -> bool:
    child = os.fork()
    if child == 0:
        try:
            run_recipe(folder, out)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def is_ours(path: pathlib.Path) -> bool:
    """Written by hand, so never touched."""
    return rule_places.is_by_hand(path.name)


def files_below(folder: pathlib.Path) -> set[pathlib.Path]:
    files = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {path for path in files if not is_ours(path) and "__pycache__" not in path.parts}


def differences(made: pathlib.Path, kept: pathlib.Path) -> list[str]:
    ours, theirs = files_below(made), files_below(kept)
    changed = {p for p in ours & theirs if not filecmp.cmp(made / p, kept / p, shallow=False)}
    return (
        [f"{kept.name}/{path}: not made by the recipe" for path in sorted(theirs - ours)]
        + [f"{kept.name}/{path}: missing" for path in sorted(ours - theirs)]
        + [f"{kept.name}/{path}: differs" for path in sorted(changed)]
    )


def install(made: pathlib.Path, kept: pathlib.Path) -> None:
    for path in kept.iterdir():
        if is_ours(path):
            continue
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(made, kept, dirs_exist_ok=True)


def main() -> int:
    with_hash_seed()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="say what would differ, change nothing")
    parser.add_argument("codes", nargs="*", metavar="CODE")
    options = parser.parse_args()
    known = sorted(path.parent for path in FIXTURES.glob("*/recipe.py"))
    folders = [folder for folder in known if not options.codes or folder.name in options.codes]
    missing = set(options.codes) - {folder.name for folder in folders}
    if missing:
        print(f"no recipe for {', '.join(sorted(missing))}", file=sys.stderr)
        return 2

    import torch  # once, before the forks  # noqa: F401

    failed = False
    for folder in folders:
        with tempfile.TemporaryDirectory() as place:
            out = pathlib.Path(place) / folder.name
            out.mkdir()
            if not in_child(folder, out):
                print(f"{folder.name}: the recipe failed", file=sys.stderr)
                failed = True
                continue
            found = differences(out, folder)
            for line in found:
                print(line if options.check else line.replace(": differs", ": changed"))
            if options.check:
                failed = failed or bool(found)
            else:
                install(out, folder)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
