"""B2: which parameter is meant by which id of the optimizer? A name must be right or left out.

The order of the ids is the order of the list that the optimizer was given. Parameters that were
never used have no state, and so no shape that would help to tell them.
"""

import pathlib
import random
from collections.abc import Callable

import torch
from torch import nn

import nets
from nets import task_of
from program import Program
from rows import Table
from training import Training

STEPS = 3
SIX = ("mlp", "cnn", "residual", "transformer", "lstm", "gru")
RANDOM_LISTS, RANDOM_LISTS_QUICK = 40, 4

Named = list[tuple[str, nn.Parameter]]
# What the optimizer is given: groups of parameters with their true names.
Split = Callable[[Named], list[Named]]


def one_group(named: Named) -> list[Named]:
    return [named]


def frozen_and_listed(named: Named) -> list[Named]:
    for _, parameter in named[:2]:
        parameter.requires_grad_(False)
    return [named]


def frozen_and_left_out(named: Named) -> list[Named]:
    return [frozen_and_listed(named)[0][2:]]


def by_decay(named: Named) -> list[Named]:
    return [[one for one in named if one[1].dim() > 1], [one for one in named if one[1].dim() <= 1]]


def head_first(named: Named) -> list[Named]:
    return [[one for one in named if one[0].startswith("head.")],
            [one for one in named if not one[0].startswith("head.")]]


def random_lists(generator: random.Random) -> Split:
    """One to three groups, some parameters left out, each group in the order of the model."""
    def split(named: Named) -> list[Named]:
        groups = generator.randint(1, 3)
        left_out = generator.choice((0.0, 0.1, 0.4))
        lists: list[Named] = [[] for _ in range(groups)]
        for one in named:
            if generator.random() >= left_out:
                lists[generator.randrange(groups)].append(one)
        return [one for one in lists if one] or [named]
    return split


# The residual net of "head first" holds its unused modules before its last norm: what stands behind
# them is known, so they are named.
CASES: dict[str, tuple[Split, dict[str, type[nn.Module]]]] = {
    "one group": (one_group, {}), "frozen, listed": (frozen_and_listed, {}),
    "frozen, left out": (frozen_and_left_out, {}), "decay groups": (by_decay, {}),
    "head first": (head_first, {"residual": nets.ResidualInside})}


def judge(table: Table, program: Program, path: pathlib.Path, net: nn.Module, truth: list[str],
          case: str) -> None:
    tied = {name: [other for other, parameter in net.named_parameters(remove_duplicate=False)
                   if parameter is net.get_parameter(name)] for name in truth}
    listed = program.contents(path).listed
    assert len(listed) == len(truth)
    for one, name in zip(listed, truth):
        right = one.name in tied[name]
        wrong = one.name is not None and not right
        table.count("B2 wrong", wrong, f"{case}, {type(net).__name__}: {name} is called {one.name}")
        if case != "random lists":
            table.count(f"B2 {case}", right, f"{type(net).__name__}: {name}")
            if not one.slots:
                table.count(f"B2 {case}, no state", right, f"{type(net).__name__}: {name}")


def train_and_judge(table: Table, program: Program, folder: pathlib.Path, net: nn.Module,
                    case: str, split: Split) -> None:
    groups = split(list(net.named_parameters()))
    optimizer = torch.optim.Adam([{"params": [parameter for _, parameter in group]}
                                  for group in groups], lr=1e-3)
    training = Training(net, optimizer, task_of(net), folder / "alignment")
    truth = [name for group in groups for name, _ in group]
    judge(table, program, training.until(STEPS).save(), net, truth, case)


def measure(table: Table, program: Program, folder: pathlib.Path, quick: bool) -> None:
    torch.manual_seed(20262)
    for case, (split, others) in CASES.items():
        for name in SIX:
            net = others.get(name, nets.NETS[name])(True)
            train_and_judge(table, program, folder, net, case, split)
    train_and_judge(table, program, folder, nets.Tied(True), "tied", one_group)
    generator = random.Random(20262)
    classes = [*(nets.NETS[name] for name in SIX), nets.ResidualInside, nets.Tied]
    for _ in range(RANDOM_LISTS_QUICK if quick else RANDOM_LISTS):
        for made in classes:
            train_and_judge(table, program, folder, made(generator.random() < 0.5),
                            "random lists", random_lists(generator))
