"""Every net with every optimizer: A1, A5, B1, D1, D3 and E over the checkpoints of whole trainings.

What the nets hold unused (`unused.*`) and without gradient (`dead.*`) must be found; everything
else of them is healthy. Parameters that are constants at first are no draws and not counted as
such.
"""

import dataclasses
import pathlib
import shutil

import torch
from torch import nn

import nets
from program import Contents, Finding, Program
from rows import Table
from training import DECAYING, SECOND_MOMENTS, STATEFUL, Training, optimizers

STEPS = (0, 1, 10, 100, 200, 400, 600, 800, 1000)
QUICK_STEPS = (0, 1, 10, 30, 60, 90, 120, 150)
SEEDS = (20264, 20265)
QUICK_RUNS = (("mlp", "adamw"), ("mlp", "adam"), ("cnn", "momentum"), ("residual", "sgd"),
              ("residual", "adam"), ("small_normals", "adamw_strong"), ("gru", "fine_tuning"))
BEHIND_ZERO = {"c2.weight", "c3.weight"}  # of the residual net: no gradient at the first step
INITIALISATIONS = 40
NORMS = (nn.BatchNorm2d, nn.LayerNorm)


@dataclasses.dataclass
class Run:
    """One training and what torchvet says of its checkpoints."""

    net: str
    optimizer: str
    model: nn.Module
    training: Training
    contents: dict[int, Contents]
    found: dict[int, list[Finding]]  # by `check`, one for each checkpoint

    def __post_init__(self) -> None:
        first = self.contents[0].tensors
        self.parameters = [name for name, _ in self.model.named_parameters()]
        self.drawn = [name for name in self.parameters
                      if first[name].count >= 64 and first[name].least != first[name].largest]
        self.norms = [name for name, module in self.model.named_modules()
                      if isinstance(module, NORMS)]
        self.batch_norms = [name for name, module in self.model.named_modules()
                            if isinstance(module, nn.BatchNorm2d)]
        self.steps = list(self.training.saved)
        self.late = [step for step in self.steps if step >= 10]
        self.last = self.steps[-1]
        # At the same distance from each other, none near the beginning.
        self.series = [step for step in self.steps if step >= self.steps[-5]]

    def about(self, step: int, name: str) -> str:
        return f"{self.net}, {self.optimizer}, step {step}: {name}"


def train(program: Program, folder: pathlib.Path, net: str, optimizer: str, seed: int,
          steps: tuple[int, ...], planted: bool = True) -> Run:
    torch.manual_seed(seed)
    model = nets.NETS[net](planted)
    training = Training(model, optimizers()[optimizer](model.parameters()), nets.task_of(model),
                        folder / f"{net}_{optimizer}_{seed}").through(steps)
    paths = training.paths(steps)
    found: dict[int, list[Finding]] = {step: [] for step in steps}
    step_of = {path.name: step for step, path in training.saved.items()}
    for finding in program.check(paths):
        found[step_of[finding.file]].append(finding)
    contents = {step: program.contents(path) for step, path in training.saved.items()}
    return Run(net, optimizer, model, training, contents, found)


def judge_marks(table: Table, run: Run) -> None:
    for step in run.steps:
        tensors = run.contents[step].tensors
        for name in run.drawn:
            size = "1024" if tensors[name].count >= 1024 else "64"
            hit, about = tensors[name].is_drawn, run.about(step, name)
            if nets.is_unused(name):
                table.count(f"A1 unused {size}", hit, about)
            elif nets.is_dead(name):
                if run.optimizer not in DECAYING:
                    table.count("A1 dead", hit, about)
                elif step == run.last:
                    table.count("A1 dead, decayed", hit, about)
            elif step >= 10:
                table.count(f"A1 used {size}, later", hit, about)
            elif step == 1 and name in BEHIND_ZERO and run.net == "residual":
                table.count("A1 used, behind zeros", hit, about)
            elif step == 1:
                table.count("A1 used, first step", hit, about)
            if step == 1 and not nets.is_planted(name) and size == "1024":
                table.count("A1 used 1024, first step", hit, about)


def judge_never_trained(table: Table, run: Run) -> None:
    """What REG006 says in trained files."""
    for step in run.late:
        said: set[str] = set().union(*(finding.named for finding in run.found[step]
                                       if finding.code == "REG006"))
        tensors = run.contents[step].tensors
        for name in run.parameters:
            if not nets.is_planted(name):
                table.count("A1 REG006 used", name in said, run.about(step, name))
            elif nets.is_unused(name) and tensors[name].is_drawn:
                table.count("A1 REG006 unused", name in said, run.about(step, name))
        for norm in run.norms:
            row = "unused" if nets.is_planted(norm) else "used"
            table.count(f"A5 REG006 {row}", f"{norm}.weight" in said, run.about(step, norm))


def judge_norms(table: Table, run: Run) -> None:
    for step in run.steps:
        tensors = run.contents[step].tensors
        for norm in run.norms:
            default = (tensors[f"{norm}.weight"].is_all(1) and tensors[f"{norm}.bias"].is_all(0))
            row = ("unused" if nets.is_planted(norm) else
                   f"used, step {step}" if step < 10 else "used, later")
            table.count(f"A5 {row}", default, run.about(step, norm))
        for norm in run.batch_norms:
            untouched = (tensors[f"{norm}.running_mean"].is_all(0)
                         and tensors[f"{norm}.running_var"].is_all(1))
            row = ("unused default" if nets.is_planted(norm) else
                   "used default, step 0" if step == 0 else "used default, later")
            table.count(f"E {row}", untouched, run.about(step, norm))


def judge_gradients(table: Table, run: Run) -> None:
    """B1: ids without state, and what REG007 makes of them."""
    for step in (one for one in run.steps if one > 0):
        listed = {one.name: one for one in run.contents[step].listed}
        findings = [finding for finding in run.found[step] if finding.code == "REG007"]
        said: set[str] = set().union(*(finding.named for finding in findings))
        if run.optimizer not in STATEFUL:
            table.count("B1 REG007 without state", bool(findings), run.about(step, ""))
            continue
        for name in run.parameters:
            about = run.about(step, name)
            row = ("unused" if nets.is_unused(name) else
                   "dead" if nets.is_dead(name) else "used")
            table.count(f"B1 no state {row}", not listed[name].slots, about)
            if step >= 10 and (row != "dead" or run.optimizer in SECOND_MOMENTS):
                table.count(f"B1 REG007 {row}", name in said, about)


def judge_series(table: Table, program: Program, run: Run) -> None:
    """D1 over five checkpoints at equal distances, D3 over them and over larger distances."""
    findings = program.drift(run.training.paths(run.series))
    static = [finding for finding in findings if finding.code == "DRF001"]
    for name in run.parameters:
        hit = any(finding.covers(name) for finding in static)
        row = ("unused" if nets.is_unused(name) else "used" if not nets.is_dead(name) else
               "dead, decayed" if run.optimizer in DECAYING else "dead")
        table.count(f"D1 {row}", hit, run.about(run.last, name))
    for name in run.contents[0].tensors:
        if name.rsplit(".", 1)[0] in run.batch_norms and name not in run.parameters:
            digests = {run.contents[step].tensors[name].digest for step in run.series}
            row = "unused" if nets.is_planted(name) else "used"
            table.count(f"D1 statistics {row}", len(digests) == 1, run.about(run.last, name))
    matrices = sum(parameter.dim() > 1 for name, parameter in run.model.named_parameters()
                   if not nets.is_planted(name))
    first = run.series[0]
    spans = {"near": run.series, "far": [0, first], "further": [0, run.last],
             "later": [first, run.last]}
    for span, steps in spans.items():
        said = findings if span == "near" else program.drift(run.training.paths(steps))
        for code, row in (("DRF004", "reset"), ("DRF003", "divergence")):
            wrong = [finding for finding in said if finding.code == code]
            table.add(f"D3 healthy {row}, {span}", len(wrong), matrices * (len(steps) - 1))
        judge_silence(table, f"drift, {run.net}, {run.optimizer}", said)


def judge_silence(table: Table, about: str, findings: list[Finding], row: str = "later") -> None:
    """A healthy model: no finding of a warning or more, but on what was planted."""
    wrong = [finding for finding in findings
             if finding.is_loud and not nets.is_planted(finding.path)]
    table.count(f"all loud, {row}", bool(wrong),
                "; ".join([about, *(finding.text() for finding in wrong)]))


def judge(table: Table, program: Program, run: Run) -> None:
    judge_marks(table, run)
    judge_never_trained(table, run)
    judge_norms(table, run)
    judge_gradients(table, run)
    judge_series(table, program, run)
    for step in run.steps:
        judge_silence(table, run.about(step, ""), run.found[step],
                      "later" if step >= 10 else f"step {step}")
    shutil.rmtree(run.training.folder)


def measure_beginnings(table: Table, program: Program, folder: pathlib.Path) -> None:
    """A1, step 0: the mark in nets as they are made, over many of them."""
    torch.manual_seed(20266)
    for name, made in nets.NETS.items():
        for _ in range(INITIALISATIONS):
            path = folder / "beginning.pt"
            torch.save({"model": made(True).state_dict()}, path)
            for tensor_name, tensor in program.contents(path).tensors.items():
                if tensor.count < 64 or tensor.least == tensor.largest:
                    continue
                if not nets.is_planted(tensor_name):
                    size = "1024" if tensor.count >= 1024 else "64"
                    table.count(f"A1 used {size}, step 0", tensor.is_drawn,
                                f"{name}: {tensor_name}")


def measure(table: Table, program: Program, folder: pathlib.Path, quick: bool) -> None:
    measure_beginnings(table, program, folder)
    if quick:
        for net, optimizer in QUICK_RUNS:
            judge(table, program,
                  train(program, folder, net, optimizer, SEEDS[0], QUICK_STEPS))
        return
    for net in nets.NETS:
        for optimizer in optimizers():
            for seed in SEEDS:
                judge(table, program, train(program, folder, net, optimizer, seed, STEPS))
            # Healthy throughout: nothing is exempt.
            judge(table, program, train(program, folder, net, optimizer, SEEDS[1] + 1,
                                        QUICK_STEPS, planted=False))
