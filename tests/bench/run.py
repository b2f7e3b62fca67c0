"""Measures torchvet beside Python's torch on the same files, in the same run.

    scripts/bench [--repeats N] [--program PATH]

Makes three sizes of artifact once (.cache/bench, about 2 GB), warms the page cache, then runs each
command N times, taking turns, and prints medians, peak memory, ratios, and whether torchvet keeps
the promises it makes: metadata rules on 1 GB of weights within 10 ms and 16 MiB; a TorchScript
program with its graph within 0.6 s, and no more for 1 GB of weights than for 10 MB.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache/bench"
LAYERS = 64
WIDTHS = {"1GB": 2048, "10MB": 200}


def make_artifacts() -> None:
    import torch

    CACHE.mkdir(parents=True, exist_ok=True)
    for size, width in WIDTHS.items():
        state, script = CACHE / f"state_{size}.pt", CACHE / f"script_{size}.pt"
        if state.exists() and script.exists():
            continue
        print(f"making the files of {size}", file=sys.stderr)
        torch.manual_seed(0)
        model = torch.nn.Sequential(*(torch.nn.Linear(width, width) for _ in range(LAYERS))).eval()
        torch.save(model.state_dict(), state)
        torch.jit.save(torch.jit.script(model), script)


@dataclasses.dataclass
class Result:
    seconds: list[float] = dataclasses.field(default_factory=list)
    peak_mib: float = 0

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def measure(command: list[str]) -> dict:
    tool = ROOT / "build/release/bin/bench_measure"
    out = subprocess.run([str(tool), *command], check=True, capture_output=True, text=True).stdout
    return json.loads(out.splitlines()[-1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--program", default=str(ROOT / "build/release/bin/torchvet"))
    options = parser.parse_args()
    make_artifacts()

    def torchvet(size: str, kind: str) -> list[str]:
        extra = ["--no-values"] if kind == "state" else []
        return [options.program, "check", str(CACHE / f"{kind}_{size}.pt"), *extra]

    def python(size: str, kind: str) -> list[str]:
        call = {"state": "torch.load", "script": "torch.jit.load"}[kind]
        return [sys.executable, "-c", f"import torch; {call}({str(CACHE / f'{kind}_{size}.pt')!r})"]

    commands = {(name, kind, size): command(size, kind)
                for kind in ("state", "script") for size in WIDTHS
                for name, command in (("torchvet", torchvet), ("python", python))}
    results = {key: Result() for key in commands}
    for path in CACHE.glob("*.pt"):
        with path.open("rb") as file:
            while file.read(1 << 24):
                pass
    for turn in range(options.repeats):
        for key, command in commands.items():
            if key[0] == "python" and turn >= 3:
                continue  # seconds each; three are enough for a median
            sample = measure(command)
            if sample["exit_code"] not in (0, 1):
                print(f"{' '.join(command)}: exit code {sample['exit_code']}", file=sys.stderr)
                return 2
            results[key].seconds.append(sample["seconds"])
            results[key].peak_mib = max(results[key].peak_mib, sample["peak_kib"] / 1024)

    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors; medians")
    print(f"{'what':34} {'torchvet':>22} {'python + torch':>24} {'ratio':>8}")
    for kind, label in (("state", "state_dict, metadata rules"),
                        ("script", "TorchScript with its graph")):
        for size in WIDTHS:
            ours, theirs = results["torchvet", kind, size], results["python", kind, size]
            print(f"{label + ', ' + size:34} {ours.median * 1e3:9.1f} ms {ours.peak_mib:6.0f} MiB"
                  f" {theirs.median * 1e3:11.0f} ms {theirs.peak_mib:6.0f} MiB"
                  f" {theirs.median / ours.median:7.0f}x")

    state, script = results["torchvet", "state", "1GB"], results["torchvet", "script", "1GB"]
    small = results["torchvet", "script", "10MB"]
    promises = [
        ("1 GB state_dict within 10 ms", state.median <= 0.010, f"{state.median * 1e3:.1f} ms"),
        ("1 GB state_dict within 16 MiB", state.peak_mib <= 16, f"{state.peak_mib:.1f} MiB"),
        ("1 GB TorchScript within 0.6 s", script.median <= 0.6, f"{script.median:.2f} s"),
        ("its cost does not grow with weights", script.median <= 1.25 * small.median + 0.02,
         f"{script.median:.3f} s against {small.median:.3f} s for 10 MB"),
    ]
    for promise, kept, figure in promises:
        print(f"{'kept  ' if kept else 'BROKEN'} {promise}: {figure}")
    return 0 if all(kept for _, kept, _ in promises) else 1


if __name__ == "__main__":
    sys.exit(main())
