#!/usr/bin/env python3
"""Packages of torch.package, made by its PackageExporter: every tensor that torchvet reads in them against what
PackageImporter loads, and what `check` says of them.

    packages.py --program TORCHVET

Without torch nothing can be compared: exit 77, which CTest counts as skipped."""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import textwrap
import warnings

import tensors as report

SOURCE = textwrap.dedent("""
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU())
            self.head = nn.Linear(6, 2)
            self.register_buffer("scale", torch.ones(2))

        def forward(self, x):
            return self.head(self.body(x)) * self.scale
    """)


def exported(path: pathlib.Path, pickles: dict[tuple[str, str], object], *, protocol: int = 3,
             intern: str = "") -> None:
    from torch.package import PackageExporter

    with PackageExporter(str(path)) as exporter:
        exporter.extern(["torch.**", "numpy.**", "argparse"])
        if intern:
            exporter.intern(intern)
        for (package, resource), value in pickles.items():
            exporter.save_pickle(package, resource, value, pickle_protocol=protocol)
        exporter.save_text("notes", "readme.txt", "two pickles")
        exporter.save_binary("notes", "table.bin", bytes(range(64)))


def make(folder: pathlib.Path) -> dict[str, list[tuple[str, str]]]:
    """The packages by name, each with the pickles in it."""
    import torch

    (folder / "shop_models.py").write_text(SOURCE)
    sys.path.insert(0, str(folder))
    import shop_models

    torch.manual_seed(0)
    net = shop_models.Net().eval()
    base = torch.arange(24.0).reshape(4, 6)
    kinds = {"view": base[1:3, ::2], "base": base, "turned": base.t(), "empty": torch.empty(0, 3),
             "half": torch.ones(3, dtype=torch.bfloat16), "eight": torch.ones(2).to(torch.float8_e4m3fn),
             "flag": torch.tensor([True, False]), "leaf": torch.ones(2, requires_grad=True),
             "sparse": torch.eye(3).to_sparse(), "number": torch.tensor(3)}
    made = {
        "module": ({("net", "model.pkl"): net}, {"intern": "shop_models"}),
        "state": ({("weights", "state.pkl"): net.state_dict()}, {}),
        "shared": ({("a", "first.pkl"): {"w": base}, ("b", "second"): [base[2], {"x": base.t()}]}, {}),
        "kinds": ({("k", "kinds.pkl"): kinds}, {}),
        "protocol": ({("k", "kinds.pkl"): {"w": base, "list": [torch.zeros(2)]}}, {"protocol": 4}),
    }
    for name, (pickles, how) in made.items():
        exported(folder / f"{name}.pt", pickles, **how)
    return {name: list(pickles) for name, (pickles, _) in made.items()}


def theirs(path: pathlib.Path, pickles: list[tuple[str, str]]) -> list[dict]:
    """What the importer loads, under the names of the pickles where there are several."""
    import torch
    from torch.package import PackageImporter
    from torch_tensors import Found, name_all, name_modules

    locations: dict[int, str] = {}
    keep = []

    def remember(storage: torch.UntypedStorage, location: str) -> torch.UntypedStorage:
        locations[storage._cdata] = location
        keep.append(storage)
        return storage

    importer = PackageImporter(str(path))
    loaded = {f"{package.replace('.', '/')}/{resource}":
              importer.load_pickle(package, resource, map_location=remember) for package, resource in pickles}
    found, records = Found(locations), []
    for value in loaded.values() if len(loaded) == 1 else [loaded]:
        name_modules(value, found)
        name_all(value, found)
        records += found.records()
    return records


def checked(program: str, path: pathlib.Path) -> tuple[int, dict]:
    run = subprocess.run([program, "check", "--isolated", "--json", str(path)], capture_output=True,
                         check=False)
    return run.returncode, json.loads(run.stdout)


def complaints_about(program: str, name: str, path: pathlib.Path) -> list[str]:
    code, said = checked(program, path)
    gaps = [gap["what"] for gap in said["artifacts"][0]["gaps"]]
    wrong = [f"{name}: finds {finding['code']} {finding['severity']}: {finding['message']}"
             for finding in said["findings"] if finding["severity"] != "note"]
    expected = ["Python sources"] if name == "module" else []
    if gaps != expected or code != (3 if expected else 0):
        wrong.append(f"{name}: exit code {code}, gaps {gaps}")
    return wrong


def script_inside(program: str, folder: pathlib.Path) -> list[str]:
    import torch
    from torch.package import package_exporter

    package_exporter._gate_torchscript_serialization = False
    path = folder / "script.pt"
    exported(path, {("net", "script.pkl"): torch.jit.script(torch.nn.Linear(2, 2).eval())})
    code, said = checked(program, path)
    gaps = [gap["what"] for gap in said["artifacts"][0]["gaps"]]
    return [] if code == 3 and "TorchScript programs" in gaps else [f"script: exit code {code}, gaps {gaps}"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    options = parser.parse_args()
    try:
        import torch  # noqa: F401
    except ImportError as problem:
        print(f"skipped: {problem}")
        return report.SKIPPED
    warnings.simplefilter("ignore")
    wrong, compared = [], 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for package, pickles in make(folder).items():
            path = folder / f"{package}.pt"
            said = report.torchvet_says(options.program, path)
            loaded = theirs(path, pickles)
            compared += len(loaded)
            wrong += [f"{package}: {line}"
                      for line in report.differences(report.records_of(said["tensors"]), loaded)]
            wrong += complaints_about(options.program, package, path)
        wrong += script_inside(options.program, folder)
    for line in wrong:
        print(f"DIFFERENT {line}")
    print(f"{compared} tensors compared, {len(wrong)} differences")
    return 1 if wrong or not compared else 0


if __name__ == "__main__":
    sys.exit(main())
