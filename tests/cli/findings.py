"""A project with one finding of every sort, and ways to ask for it in every report format."""

import json
import math
import pathlib
import re
import shutil
import struct
import subprocess
import sys

sys.dont_write_bytecode = True
from project import CLEAN, ERROR, FIXTURES, MODE, SERIES, TORCHVET, WARNING, Case  # noqa: E402

# Their pages go into SARIF, so only some rules are asked.
RULES = "FMT001,GRF001,MOD001,PKL004,REG007,REG008,REG009"


def formats() -> list[str]:
    """All that the program has, as it says itself."""
    said = subprocess.run([TORCHVET, "check", "--isolated", "--report", "none", "."],
                          capture_output=True, text=True, check=False, timeout=60).stderr
    return re.search(r"`none` is none of ([a-z, ]+)", said)[1].split(", ")


def stored(name: str, content: bytes) -> bytes:
    """What of a report can be made of a JSON report too: all but the tensors on the HTML page."""
    models = rb'(?s)<section id="models".*?</section>\n'
    return re.sub(models, b"", content) if name == "html" else content


def safetensors(tensors: dict[str, tuple[str, list[int], float]]) -> bytes:
    """A file of tensors: element type (F32 or F16), shape, and the number in each element."""
    header, body = {}, b""
    for name, (kind, shape, number) in tensors.items():
        numbers = struct.pack("<f" if kind == "F32" else "<e", number) * math.prod(shape)
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(body), len(body) + len(numbers)]}
        body += numbers
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


class Findings(Case):
    """`models/` has an error, a warning, a note, a gap, a merged finding, one that is suppressed, one
    that is in the baseline, and a program that hides something; `run/` is a series; `old.safetensors` and
    `new.safetensors` differ in every way that files of their format can."""

    variables: dict[str, str] = {}  # of the environment of every run

    def setUp(self):
        super().setUp()
        for name, source in (("error", ERROR), ("cut", FIXTURES / "FMT001/bad_zip_cut.pt"),
                             ("frozen", FIXTURES / "REG007/bad_mostly_frozen.pt"),
                             ("merged", FIXTURES / "REG008/bad_parameter_list.pt"),
                             ("accepted", WARNING), ("known", FIXTURES / "REG007/bad_unused.pt"),
                             ("mode", MODE), ("clean", CLEAN),
                             ("traced", FIXTURES / "demo/layer_in_forward.pt")):
            self.model(f"models/{name}.pt", source)
        shutil.copytree(SERIES, self.project / "run")
        same = {"norm.weight": ("F32", [4], 1.0), "norm.bias": ("F32", [4], 0.0)}
        self.file("old.safetensors", safetensors(same | {
            "stem.weight": ("F32", [4, 3], 0.5), "head.weight": ("F32", [3, 4], 0.25),
            "half.weight": ("F32", [4, 4], 2.0), "gone|away.weight": ("F32", [2, 4], 3.0)}))
        self.file("new.safetensors", safetensors(same | {
            "conv.weight": ("F32", [4, 3], 0.5), "head.weight": ("F32", [5, 4], 0.25),
            "half.weight": ("F16", [4, 4], 2.0), "extra.weight": ("F32", [1], 4.0)}))
        self.configure({"suppressions": [{"code": "PKL004", "artifact": "models/accepted.pt",
                                          "reason": "made by us [and | only] for us"}]})
        self.expect(0, "baseline", "write", "models/known.pt", "--baseline", "known.json")

    def file(self, name: str, content: bytes) -> None:
        (self.project / name).write_bytes(content)

    def run_named(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
        """Runs the program by its plain name, wherever it lies: reports hold the command line."""
        return subprocess.run(["torchvet", *arguments], executable=TORCHVET, capture_output=True,
                              cwd=self.project, timeout=120, check=False,
                              env=self.environment(**self.variables, **variables))

    def written(self, code: int, *arguments: str) -> dict[str, bytes]:
        """The reports of one run in every format, for a run that ends with `code`. They are asked for
        in the environment: the command line stands in some of them."""
        files = {name: f"report.{name}" for name in formats()}
        result = self.run_named(*arguments, TORCHVET_REPORT=",".join(
            f"{name}={file}" for name, file in files.items()))
        self.assertEqual((result.returncode, result.stderr), (code, b""), result.stdout)
        return {name: (self.project / file).read_bytes() for name, file in files.items()}

    def check(self, *more: str) -> dict[str, bytes]:
        return self.written(1, "check", "models", "--baseline", "known.json", "--select", RULES,
                            "--reproducible", *more)

    def drift(self, *more: str) -> dict[str, bytes]:
        return self.written(0, "drift", "run", "--select", "DRF001", "--reproducible", *more)

    def diff(self, *more: str) -> dict[str, bytes]:
        return self.written(1, "diff", "new.safetensors", "--against", "old.safetensors", "--select",
                            "CTR001,CTR003", "--reproducible", *more)

    def convert(self, report: dict | bytes, *more: str) -> dict[str, bytes]:
        path = self.project / "stored.json"
        path.write_bytes(report if isinstance(report, bytes) else json.dumps(report).encode())
        return self.written(0, "convert", "stored.json", *more)
