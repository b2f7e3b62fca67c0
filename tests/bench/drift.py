"""Measures `torchvet drift` over series of checkpoints beside what reading their bytes once costs.

    scripts/bench --drift [--repeats N] [--program PATH]

Makes 100 checkpoints of 10 MB once (.cache/bench, 1 GB), warms the page cache, then lets every command
take its turn N times; medians. Reading each byte once is `cat` of the files. Shown beside it: "value
pass", `check` with the rule that counts what is not finite, which looks at every byte once, on all
processors. `drift` looks at each checkpoint twice, as the later and as the earlier of two; the second
look finds most of it in the cache of the processor. Memory is the peak, the mapped pages of the
checkpoints that are held included."""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SERIES = ROOT / ".cache/bench/series"
CHECKPOINTS = 100
SHORT = 10
LAYERS, WIDTH = 9, 512
MOST_OF_CAT = 1.2
MOST_GROWTH_MIB = 8


def make_series() -> list[pathlib.Path]:
    import torch

    SERIES.mkdir(parents=True, exist_ok=True)
    files = [SERIES / f"step_{number:03}.pt" for number in range(CHECKPOINTS)]
    if all(file.exists() for file in files):
        return files
    print(f"making {CHECKPOINTS} checkpoints of 10 MB", file=sys.stderr)
    torch.manual_seed(0)
    model = torch.nn.Sequential(*(torch.nn.Linear(WIDTH, WIDTH) for _ in range(LAYERS)))
    optimizer = torch.optim.SGD(model.parameters(), 1e-2)
    for number, file in enumerate(files):
        batch = torch.randn(32, WIDTH)
        optimizer.zero_grad()
        (model(batch) - batch).square().mean().backward()
        optimizer.step()
        torch.save({"model": model.state_dict(), "step": number}, file)
    return files


def measure(command: list[str]) -> dict:
    tool = ROOT / "build/release/bin/bench_measure"
    out = subprocess.run([str(tool), *command], check=True, capture_output=True, text=True).stdout
    sample = json.loads(out.splitlines()[-1])
    if sample["exit_code"] != 0:
        sys.exit(f"{' '.join(command[:4])} ...: exit code {sample['exit_code']}")
    return sample


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--program", default=str(ROOT / "build/release/bin/torchvet"))
    options = parser.parse_args()
    every = make_series()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors; medians of "
          f"{options.repeats}")
    kept = True
    peaks = {}
    for files in (every[:SHORT], every):
        paths = [str(file) for file in files]
        commands = {"cat": ["cat", *paths],
                    "value pass": [options.program, "check", "--select", "NUM001", *paths],
                    "drift": [options.program, "drift", *paths]}
        samples = {name: [] for name in commands}
        for _ in range(options.repeats + 1):
            for name, command in commands.items():
                samples[name].append(measure(command))
        seconds = {name: statistics.median(sample["seconds"] for sample in all_of[1:])
                   for name, all_of in samples.items()}
        size = sum(file.stat().st_size for file in files)
        print(f"\n{len(files)} checkpoints, {size / 1e6:.0f} MB")
        for name, time in seconds.items():
            peak = max(sample["peak_kib"] for sample in samples[name]) / 1024
            print(f"  {name:11} {time * 1e3:7.1f} ms {size / time / 1e9:6.2f} GB/s "
                  f"{time / seconds['cat']:5.2f} x cat {time / seconds['value pass']:5.2f} x value pass"
                  f" {peak:6.1f} MiB")
            if name == "drift":
                peaks[len(files)] = peak
        if files is every and seconds["drift"] > MOST_OF_CAT * seconds["cat"]:
            print(f"  BROKEN: at most {MOST_OF_CAT} x cat")
            kept = False
    if peaks[CHECKPOINTS] > peaks[SHORT] + MOST_GROWTH_MIB:
        print(f"BROKEN: memory that does not grow with the series, by {MOST_GROWTH_MIB} MiB at most")
        kept = False
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
