"""Runs torchvet and reads its reports."""

import dataclasses
import json
import math
import pathlib
import re
import subprocess
import sys
from typing import Any

LEVELS = {"note": 0, "warning": 1, "error": 2}
MODEL = "model."  # the key of the state_dict in the files that are made here


def name_in_model(path: str) -> str:
    return path.removeprefix(MODEL)


@dataclasses.dataclass
class Finding:
    code: str
    severity: str
    confidence: str
    message: str
    file: str  # name of the file, without its folder
    path: str  # of the tensor or module in the model; may be empty
    evidence: list[str]

    @property
    def is_loud(self) -> bool:
        return LEVELS[self.severity] >= LEVELS["warning"]

    @property
    def named(self) -> set[str]:
        """What the evidence begins with: one tensor a line in REG006 and REG007."""
        names = (re.match(r"`([^`]+)`", text) for text in self.evidence)
        return {match[1] for match in names if match}

    def covers(self, name: str) -> bool:
        return name == self.path or name.startswith(self.path + ".")

    def text(self) -> str:
        return f"{self.file}: {self.code} {self.severity} ({self.confidence}): {self.message}"


@dataclasses.dataclass
class Tensor:
    """What `inspect --what tensors --values --digests` says of one tensor."""

    count: int
    mark: str | None  # of an initialisation; None: it cannot be told
    least: float
    largest: float
    dtype: str
    digest: str

    @property
    def is_drawn(self) -> bool:
        return self.mark not in (None, "none")

    def is_all(self, number: float) -> bool:
        return self.count > 0 and self.least == self.largest == number


@dataclasses.dataclass
class Listed:
    """What `inspect --what optimizer` says of one listed parameter."""

    name: str | None
    slots: list[str]


@dataclasses.dataclass
class Contents:
    tensors: dict[str, Tensor]  # of the model, by name in it
    listed: list[Listed]  # in the order of the file


class Program:
    def __init__(self, path: str) -> None:
        self.path = path

    def run(self, *arguments: str) -> dict[str, Any]:
        run = subprocess.run([self.path, *arguments], capture_output=True, text=True)
        if run.returncode not in (0, 1):
            sys.exit(f"torchvet {' '.join(arguments)}: exit code {run.returncode}\n"
                     f"{run.stdout[-2000:]}{run.stderr[-2000:]}")
        return json.loads(run.stdout)

    def findings(self, verb: str, paths: list[pathlib.Path]) -> list[Finding]:
        report = self.run(verb, "--json", "--isolated", *map(str, paths))
        seen = {artifact["path"] for artifact in report["artifacts"]}
        if seen != set(map(str, paths)):
            sys.exit(f"torchvet {verb} left out {set(map(str, paths)) - seen}")
        return [Finding(found["code"], found["severity"], found["confidence"], found["message"],
                        pathlib.Path(found["location"].get("artifact", "")).name,
                        name_in_model(found["location"].get("object_path", "")),
                        [part["text"] for part in found["evidence"]])
                for found in report["findings"]]

    def check(self, paths: list[pathlib.Path]) -> list[Finding]:
        return self.findings("check", paths)

    def drift(self, paths: list[pathlib.Path]) -> list[Finding]:
        return self.findings("drift", paths)

    def contents(self, path: pathlib.Path) -> Contents:
        report = self.run("inspect", "--format", "json", "--what", "tensors,optimizer", "--values",
                          "--digests", str(path))
        tensors = {}
        for tensor in report["tensors"]:
            if not tensor["path"].startswith(MODEL):
                continue
            values = tensor["values"]
            one = Tensor(math.prod(tensor["shape"]), values.get("initialisation", {}).get("mark"),
                         values["min"], values["max"], tensor["dtype"], tensor["digest"])
            for name in (tensor["path"], *tensor["aliases"]):
                tensors[name_in_model(name)] = one
        listed = [Listed(one["name"], one["slots"]) for optimizer in report["optimizer"]
                  for one in optimizer["parameters"]]
        return Contents(tensors, listed)
