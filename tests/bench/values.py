"""Measures the value pass on 1 GB of weights beside a plain read, Python's torch and weightlens.

    scripts/bench --values [--repeats N] [--threads N]

Makes the files once (.cache/bench, about 4 GB), warms the page cache, then lets every reader take its
turn N times; medians. "read" is an XOR of the same bytes by the same number of threads, through a
fresh mapping of the same file. Memory is the peak beside the mapped file. weightlens, measured on the
float32 file, is installed in the cache the first time; without a network it is left out, and said."""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache/bench"
TENSORS = 64
MODES = ("read", "numbers", "fingerprints", "histogram", "digest")
OWN_MIB = 64
WEIGHTLENS_VERSION = "0.3.0"
WEIGHTLENS_NEEDS = ("pydantic", "rich")  # beside torch, which is the one that is here
LEAST_TIMES_WEIGHTLENS = 50
SHARES = {"numbers": 0.60, "fingerprints": 0.40}  # of the plain read, for float32

TORCH = """
import sys, time, torch
torch.set_num_threads(int(sys.argv[2]))
state = torch.load(sys.argv[1], mmap=True)
begin = time.perf_counter()
for x in state.values():
    magnitude = x.abs()
    tiny = torch.finfo(x.dtype).smallest_normal
    found = [torch.isnan(x).sum(), torch.isposinf(x).sum(), torch.isneginf(x).sum(), (x == 0).sum(),
             ((magnitude < tiny) & (x != 0)).sum(), x.min(), x.max(), x.sum(dtype=torch.float64),
             x.double().square().sum()]
print(time.perf_counter() - begin)
"""

WEIGHTLENS = """
import sys, time
from weightlens.cli import main
sys.argv = ["lens", "analyze", "--num-workers", sys.argv[2], sys.argv[1]]
begin = time.perf_counter()
try:
    main()
except SystemExit:
    pass
print(time.perf_counter() - begin)
"""


def make_files() -> dict[str, pathlib.Path]:
    import torch

    CACHE.mkdir(parents=True, exist_ok=True)
    kinds = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16,
             "float32, untouched": torch.float32}
    files = {}
    for kind, dtype in kinds.items():
        path = files[kind] = CACHE / f"values_{kind.replace(', ', '_')}.pt"
        if path.exists():
            continue
        print(f"making {path.name}", file=sys.stderr)
        torch.manual_seed(0)
        width = (1 << 30) // TENSORS // dtype.itemsize // 4096
        state = {}
        for i in range(TENSORS):
            weight = torch.empty(width, 4096).uniform_(-1 / 64, 1 / 64)
            if "untouched" not in kind:
                weight.mul_(0.993).add_(torch.empty(4096).normal_(0, 1e-3))
            state[f"{i}.weight"] = weight.to(dtype)
        torch.save(state, path)
    return files


def weightlens() -> pathlib.Path | None:
    """The folder that it is installed in."""
    folder = CACHE / f"weightlens-{WEIGHTLENS_VERSION}"
    if folder.exists():
        return folder
    partial = folder.with_suffix(".partial")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--target", str(partial)]
    for wanted in (WEIGHTLENS_NEEDS, ("--no-deps", f"weightlens=={WEIGHTLENS_VERSION}")):
        if subprocess.run([*pip, *wanted]).returncode != 0:
            return None
    partial.rename(folder)
    return folder


def bench_values(path: pathlib.Path, mode: str, threads: int) -> dict:
    tool = str(ROOT / "build/release/bin/bench_values")
    out = subprocess.run([tool, str(path), mode, str(threads), "1"], check=True,
                         capture_output=True, text=True).stdout
    return json.loads(out)


def python_seconds(program: str, path: pathlib.Path, threads: int,
                   packages: pathlib.Path | None = None) -> float:
    environment = {**os.environ, "PYTHONPATH": str(packages)} if packages else None
    out = subprocess.run([sys.executable, "-c", program, str(path), str(threads)], check=True,
                         capture_output=True, text=True, env=environment).stdout
    return float(out.splitlines()[-1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    kept = True
    print(f"{options.threads} threads on {os.cpu_count()} processors, "
          f"load average {os.getloadavg()[0]:.1f}; medians of {options.repeats}")
    for kind, path in make_files().items():
        subprocess.run(["cat", str(path)], stdout=subprocess.DEVNULL, check=True)
        seconds: dict[str, list[float]] = {mode: [] for mode in MODES}
        own, size = dict.fromkeys(MODES, 0.0), 0
        for _ in range(options.repeats):
            for mode in MODES:
                result = bench_values(path, mode, options.threads)
                seconds[mode] += result["seconds"]
                own[mode], size = max(own[mode], result["own_mib"]), result["bytes"]
        read = statistics.median(seconds["read"])
        print(f"\n{kind}: {size / 1e9:.2f} GB in {TENSORS} tensors")
        for mode in MODES:
            median = statistics.median(seconds[mode])
            line = f"  {mode:14} {size / median / 1e9:7.2f} GB/s {read / median:6.0%} of the read"
            print(f"{line} {own[mode]:6.1f} MiB")
            if kind == "float32" and mode in SHARES and read / median < SHARES[mode]:
                print(f"  BROKEN: at least {SHARES[mode]:.0%} of the plain read")
                kept = False
            if mode != "read" and own[mode] > OWN_MIB:
                print(f"  BROKEN: at most {OWN_MIB} MiB beside the mapped file")
                kept = False
        ours = statistics.median(seconds["numbers"])
        theirs = python_seconds(TORCH, path, options.threads)
        print(f"  {'Python torch':14} {size / theirs / 1e9:7.2f} GB/s; {theirs / ours:.0f} times "
              "slower than numbers")
        if kind != "float32":
            continue
        packages = weightlens()
        if packages is None:
            print("  weightlens could not be installed: not measured")
            continue
        theirs = python_seconds(WEIGHTLENS, path, options.threads, packages)
        print(f"  {'weightlens':14} {size / theirs / 1e9:7.2f} GB/s; {theirs / ours:.0f} times slower "
              "than numbers")
        if theirs < LEAST_TIMES_WEIGHTLENS * ours:
            print(f"  BROKEN: at least {LEAST_TIMES_WEIGHTLENS} times as fast as weightlens")
            kept = False
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
