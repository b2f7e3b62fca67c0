"""E: the running statistics of batch norm, case by case, and what MOD003 says of them."""

import copy
import dataclasses
import pathlib
from collections.abc import Callable

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

import nets
from bed import judge_silence
from program import Program
from rows import Table
from training import Training, save

STEPS = 60
MOMENTA = (0.1, None, 0.001, 1.0)
KINDS = (nets.Cnn, nets.Residual)


@dataclasses.dataclass
class Saved:
    path: pathlib.Path
    norms: list[str]  # names of the batch norm layers


def norms_of(model: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


def saved(folder: pathlib.Path, model: nn.Module, step: int = STEPS) -> Saved:
    names = [name for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)]
    return Saved(save(folder, model, None, step), names)


def trained(model: nn.Module, steps: int, folder: pathlib.Path,
            after_step: Callable[[], None] = lambda: None) -> nn.Module:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    training = Training(model, optimizer, nets.task_of(model), folder)
    for step in range(1, steps + 1):
        training.until(step)
        after_step()
    return model


def first_steps(table: Table, program: Program, folder: pathlib.Path) -> None:
    """One step moves the statistics at any momentum."""
    for momentum in MOMENTA:
        for kind in KINDS:
            model = kind(False)
            for norm in norms_of(model):
                norm.momentum = momentum
            judge(table, program, saved(folder, trained(model, 1, folder), 1),
                  f"E first step, momentum {momentum}", stays_default=False, told="")


def judge(table: Table, program: Program, file: Saved, row: str, stays_default: bool,
          told: str) -> None:
    """`told`: the confidence with which MOD003 must warn; empty when it must not."""
    tensors = program.contents(file.path).tensors
    for norm in file.norms:
        default = (tensors[f"{norm}.running_mean"].is_all(0)
                   and tensors[f"{norm}.running_var"].is_all(1))
        table.count(row, default == stays_default, f"{norm}: default: {default}")
    found = program.check([file.path])
    mod003 = [one for one in found if one.code == "MOD003" and one.is_loud]
    said = [one.confidence for one in mod003]
    table.count("E MOD003 as it must", said == ([told] if told else []), f"{row}: {said}")
    judge_silence(table, row, [one for one in found if not told or one not in mod003],
                  "later" if file.path.stem != "step_00001" else "step 1")


def never_trained(table: Table, program: Program, folder: pathlib.Path) -> None:
    for kind in KINDS:
        model = kind(False).eval()
        model(nets.task_of(model)()[0])
        judge(table, program, saved(folder, model), "E eval only", stays_default=True, told="")


def without_statistics(table: Table, program: Program, folder: pathlib.Path) -> None:
    for kind in KINDS:
        model = kind(False)
        for name, module in list(model.named_modules()):
            if isinstance(module, nn.BatchNorm2d):
                model.set_submodule(name, nn.BatchNorm2d(module.num_features,
                                                         track_running_stats=False))
        file = saved(folder, trained(model, STEPS, folder))
        tensors = program.contents(file.path).tensors
        table.count("E no statistics", not any("running" in name for name in tensors))
        judge(table, program, Saved(file.path, []), "E no statistics", False, "")


def zero_input(table: Table, program: Program, folder: pathlib.Path) -> None:
    """The mean stays 0, but the variance does not stay 1."""
    model = nn.Sequential()
    model.add_module("bn", nn.BatchNorm2d(16))
    nn.init.normal_(model.bn.bias)
    for step in range(1, 2001):
        model(torch.zeros(4, 16, 2, 2))
        if step not in (3, 2000):
            continue
        file = saved(folder, model, step)
        variance = program.contents(file.path).tensors["bn.running_var"]
        table.count("E zero input, variance",
                    abs(variance.largest - 0.729) < 1e-3 if step == 3
                    else 0 < variance.largest < 1e-43, f"step {step}: {variance.largest}")
        judge(table, program, file, "E zero input", stays_default=False, told="")


def not_a_number(table: Table, program: Program, folder: pathlib.Path) -> None:
    for kind in KINDS:
        model = trained(kind(False), STEPS, folder)
        with torch.no_grad():
            model(torch.full((4, 3, 8, 8), float("nan")))
            model(torch.randn(4, 3, 8, 8))
        found = program.check([saved(folder, model).path])
        table.count("E NaN stays", any(one.code == "NUM001" and one.severity == "error"
                                       for one in found), kind.__name__)


def converted(table: Table, program: Program, folder: pathlib.Path) -> None:
    """Converted files have counters of 0 beside statistics that moved."""
    for kind in KINDS:
        model = trained(kind(False), STEPS, folder)
        for norm in norms_of(model):
            norm.num_batches_tracked.zero_()
        judge(table, program, saved(folder, model), "E converted", stays_default=False, told="")


def averages(table: Table, program: Program, folder: pathlib.Path) -> None:
    for kind in KINDS:
        model = kind(False)
        own = copy.deepcopy(model)
        synced, with_buffers = AveragedModel(model), AveragedModel(model, use_buffers=True)

        @torch.no_grad()
        def update(model: nn.Module = model, own: nn.Module = own,
                   averaged: tuple[AveragedModel, ...] = (synced, with_buffers)) -> None:
            for mine, theirs in zip(own.parameters(), model.parameters()):
                mine.lerp_(theirs, 0.05)
            for average in averaged:
                average.update_parameters(model)

        trained(model, STEPS, folder, update)
        judge(table, program, saved(folder, own), "E own average", True, "medium")
        path = folder / "both.pt"
        torch.save({"model": own.state_dict(), "other": model.state_dict(), "step": STEPS}, path)
        said = [one for one in program.check([path]) if one.code == "MOD003" and one.is_loud]
        table.count("E own average beside the model", [one.confidence for one in said] == ["high"],
                    "; ".join(one.text() for one in said))
        for average in (synced, with_buffers):
            judge(table, program, saved(folder, average), "E averaged model", False, "")


def kept_in_eval(table: Table, program: Program, folder: pathlib.Path) -> None:
    """Cannot be told from statistics that were forgotten: said, but with medium confidence."""
    for kind in KINDS:
        model = kind(False).eval()
        judge(table, program, saved(folder, trained(model, STEPS, folder)), "E kept in eval",
              stays_default=True, told="medium")


def identity(table: Table, program: Program, folder: pathlib.Path) -> None:
    """Norms that do nothing: no statistics, and a weight and a bias that do nothing either."""
    for kind in KINDS:
        model = kind(False).eval()
        for norm in norms_of(model):
            norm.requires_grad_(False)
            nn.init.ones_(norm.weight)
        optimizer = torch.optim.SGD([one for one in model.parameters() if one.requires_grad],
                                    lr=0.05)
        Training(model, optimizer, nets.task_of(model), folder).until(STEPS)
        judge(table, program, saved(folder, model), "E identity", stays_default=True, told="")


def measure(table: Table, program: Program, folder: pathlib.Path) -> None:
    torch.manual_seed(20271)
    folder = folder / "batch_norms"
    for part in (first_steps, never_trained, without_statistics, zero_input, not_a_number,
                 converted, averages, kept_in_eval, identity):
        part(table, program, folder)
