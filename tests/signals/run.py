#!/usr/bin/env python3
"""Measures anew what the numbers in a checkpoint tell: the program behind scripts/signals."""

import argparse
import pathlib
import sys
import tempfile
import time
from collections.abc import Callable

SKIPPED = 77

try:
    import numpy  # noqa: F401
    import torch
except ImportError as problem:
    print(f"skipped: torch or numpy is not there ({problem}); TORCHVET_PYTHON may name a Python "
          "that has them")
    sys.exit(SKIPPED)

import alignment
import batch_norms
import bed
import fresh
import series
import states
from program import Program
from rows import Table

HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = HERE.parent.parent / "build/release/bin/torchvet"
PARTS = ("fresh", "states", "alignment", "series", "batch_norms", "bed")


def parts_of(text: str) -> list[str]:
    parts = text.split(",")
    if unknown := set(parts) - set(PARTS):
        raise argparse.ArgumentTypeError(f"no such part: {', '.join(sorted(unknown))}")
    return parts


def measure(table: Table, program: Program, folder: pathlib.Path, parts: list[str],
            quick: bool) -> None:
    work: dict[str, Callable[[], None]] = {
        "fresh": lambda: fresh.measure(table, program, folder),
        "states": lambda: states.measure(table, program, folder),
        "alignment": lambda: alignment.measure(table, program, folder, quick),
        "series": lambda: series.measure(table, program, folder, quick),
        "batch_norms": lambda: batch_norms.measure(table, program, folder),
        "bed": lambda: bed.measure(table, program, folder, quick)}
    for part in parts:
        began = time.monotonic()
        work[part]()
        print(f"{part}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/signals", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few nets and seeds")
    parser.add_argument("--parts", type=parts_of, default=list(PARTS), metavar="PART[,PART...]",
                        help=f"only some of {', '.join(PARTS)}")
    parser.add_argument("--program", default=str(PROGRAM))
    options = parser.parse_args()
    torch.set_num_threads(1)
    table = Table(HERE / "expected.json")
    with tempfile.TemporaryDirectory() as name:
        measure(table, Program(options.program), pathlib.Path(name), options.parts, options.quick)
    deviations = table.report(options.quick, len(options.parts) < len(PARTS))
    print(f"{deviations} deviations")
    return 1 if deviations else 0


if __name__ == "__main__":
    sys.exit(main())
