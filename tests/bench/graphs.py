"""Measures the graph rules: a ResNet-50 as `.pt2`, a large TorchScript program, a hundred programs.

    scripts/bench --graphs [--repeats N] [--program PATH]

Makes the files once (.cache/bench), then runs each command N times, taking turns, and prints
medians, peak memory and whether torchvet keeps its promises: a ResNet-50 in `.pt2` within 15 ms and
without the worker, whatever the weights weigh; a TorchScript graph of 10,000 nodes within 1.5 s with
the start of the worker; 100 TorchScript files in one run within 60 ms each.
"""

import argparse
import os
import sys

from run import CACHE, ROOT, Result, measure

NODES = 10_000
FILES = 100


def resnet50():
    import torch
    from torch import nn

    class Bottleneck(nn.Module):
        def __init__(self, inside, width, stride):
            super().__init__()
            out = width * 4
            self.conv1 = nn.Conv2d(inside, width, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)
            self.conv3 = nn.Conv2d(width, out, 1, bias=False)
            self.bn3 = nn.BatchNorm2d(out)
            self.shortcut = nn.Identity() if inside == out and stride == 1 else nn.Sequential(
                nn.Conv2d(inside, out, 1, stride, bias=False), nn.BatchNorm2d(out))

        def forward(self, x):
            y = torch.relu(self.bn1(self.conv1(x)))
            y = torch.relu(self.bn2(self.conv2(y)))
            return torch.relu(self.bn3(self.conv3(y)) + self.shortcut(x))

    layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
              nn.MaxPool2d(3, 2, 1)]
    inside = 64
    for width, blocks, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for block in range(blocks):
            layers.append(Bottleneck(inside, width, stride if block == 0 else 1))
            inside = width * 4
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000))


def make_files(folder):
    import torch
    from torch import nn

    exported, large = folder / "resnet50.pt2", folder / "large.pt"
    many = [folder / "many" / f"model_{number}.pt" for number in range(FILES)]
    if exported.exists() and large.exists() and many[-1].exists():
        return exported, large, many
    print("making the programs", file=sys.stderr)
    torch.manual_seed(0)
    (folder / "many").mkdir(parents=True, exist_ok=True)
    torch.export.save(torch.export.export(resnet50().eval(), (torch.randn(1, 3, 224, 224),)),
                      exported)

    class Chain(nn.Module):
        """As many operators as asked for, on one weight."""

        def __init__(self, operators):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4))
            self.operators = operators

        def forward(self, x):
            for _ in range(self.operators // 2):
                x = torch.sigmoid(x) * self.weight
            return x

    torch.jit.save(torch.jit.trace(Chain(NODES).eval(), torch.randn(4), check_trace=False), large)
    for number, path in enumerate(many):
        net = nn.Sequential(*(layer for width in range(4, 8 + number % 8)
                              for layer in (nn.Linear(width, width + 1), nn.ReLU())))
        torch.jit.save(torch.jit.script(net.eval()), path)
    return exported, large, many


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--program", default=str(ROOT / "build/release/bin/torchvet"))
    options = parser.parse_args()
    exported, large, many = make_files(CACHE / "graphs")

    rules = ["check", "--select", "REG,MOD,DEV,GRF,VER", "--no-values"]
    commands = {
        "ResNet-50 .pt2": ([*rules, str(exported)], 0.015, 1),
        f"TorchScript of {NODES:,} nodes": ([*rules, str(large)], 1.5, 1),
        f"{FILES} TorchScript files, each": ([*rules, *map(str, many)], 0.060, FILES),
    }
    results = {what: Result() for what in commands}
    for _ in range(options.repeats):
        for what, (arguments, _, _) in commands.items():
            sample = measure([options.program, *arguments])
            if sample["exit_code"] not in (0, 1):
                print(f"{what}: exit code {sample['exit_code']}", file=sys.stderr)
                return 2
            results[what].seconds.append(sample["seconds"])
            results[what].peak_mib = max(results[what].peak_mib, sample["peak_kib"] / 1024)

    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors; medians")
    kept_all = True
    for what, (_, promise, count) in commands.items():
        seconds = results[what].median / count
        kept = seconds <= promise
        kept_all = kept_all and kept
        print(f"{'kept  ' if kept else 'BROKEN'} {what:36} {seconds * 1e3:8.1f} ms of"
              f" {promise * 1e3:6.0f} ms, {results[what].peak_mib:4.0f} MiB")
    return 0 if kept_all else 1


if __name__ == "__main__":
    sys.exit(main())
