"""D1 and D3: series that were made on purpose.

D1: what may stand still in a healthy training and what may not, case by case. Each case names
tensors that stand and tensors that move; `drift` must be silent but for notes, unless a case says
otherwise. D3: a layer that is made anew in mid training, and one that runs away.
"""

import copy
import dataclasses
import pathlib
import shutil
from collections.abc import Callable

import torch
from torch import nn

import nets
from bed import judge_silence
from program import Finding, Program
from rows import Table
from training import Training, optimizers, save

SPACING, SNAPSHOTS, PRETRAINING = 40, 5, 60
RESET_NETS = {"mlp": "l2", "cnn": "conv2", "transformer": "layers.0.linear1",
              "small_normals": "layers.0.linear1"}
RESET_OPTIMIZERS = ("momentum", "adam", "adamw")
RESET_SEEDS = (20267, 20268)
QUICK_RESETS = (("mlp", "adam"), ("cnn", "momentum"))
RUNAWAYS = {"cnn": "conv2", "residual": "c2", "transformer": "layers.0.linear2"}
BEFORE, RESET, AFTER = 400, 500, 600
RUNAWAY_RATE, RUNAWAY_DECAY = 0.05, -0.5  # 1.025 times a step, 139 times in 200

Paths = list[pathlib.Path]


@dataclasses.dataclass
class Case:
    """`paths`: the checkpoints; `stands`, `moves`: names of tensors of the model."""

    paths: Paths
    stands: list[str] = dataclasses.field(default_factory=list)
    moves: list[str] = dataclasses.field(default_factory=list)
    told: str = ""  # a finding that must be there: "DRF001 warning"


class SmallConvNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32)
        self.head = nn.Linear(32, nets.CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.to(self.conv.weight.dtype)
        return self.head(self.bn(self.conv(x)).relu().mean((2, 3))).float()


class Adapted(nn.Module):
    """A linear layer with a low-rank adapter."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.base = nn.Linear(inputs, outputs)
        self.lora_A = nn.Linear(inputs, 8, bias=False)
        self.lora_B = nn.Linear(8, outputs, bias=False)
        nn.init.zeros_(self.lora_B.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.base(x) + self.lora_B(self.lora_A(x))


class Gated(nn.Module):
    """A branch behind a gate that begins at 0, and buffers that are no statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.branch = nn.Linear(32, 64), nn.Linear(64, 64)
        self.gate, self.head = nn.Parameter(torch.zeros(64)), nn.Linear(64, nets.CLASSES)
        self.register_buffer("position_ids", torch.arange(64))
        self.register_buffer("mask", torch.ones(64, 64).tril())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.body(x).relu() * self.mask[-1]
        return self.head(x + self.gate * self.branch(x).relu())


class Padded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(nets.TOKENS, nets.WIDTH, padding_idx=0)
        self.middle, self.head = nn.Linear(nets.WIDTH, 64), nn.Linear(64, nets.TOKENS)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(self.middle(self.tokens(tokens)).relu()).transpose(1, 2)


class DeadUnits(nn.Module):
    """Beside a healthy path, one whose units can never fire."""

    def __init__(self) -> None:
        super().__init__()
        self.l1, self.l2, self.l3 = nn.Linear(32, 64), nn.Linear(64, 64), nn.Linear(64, 64)
        self.head = nn.Linear(64, nets.CLASSES)
        self.front, self.behind = nn.Linear(32, 64), nn.Linear(64, nets.CLASSES)
        nn.init.constant_(self.front.bias, -50.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        healthy = self.l3(self.l2(self.l1(x).relu()).relu()).relu()
        return self.head(healthy) + self.behind(self.front(x).relu())


def trained(folder: pathlib.Path, model: nn.Module, optimizer: torch.optim.Optimizer,
            task: Callable[[], nets.Batch] | None = None) -> Paths:
    steps = [SPACING * count for count in range(1, SNAPSHOTS + 1)]
    training = Training(model, optimizer, task or nets.task_of(model), folder)
    return training.through(steps).paths(steps)


def sgd(model: nn.Module, rate: float) -> torch.optim.Optimizer:
    return torch.optim.SGD([one for one in model.parameters() if one.requires_grad], lr=rate)


def bias_before_norm(folder: pathlib.Path) -> list[Case]:
    cases = []
    for name, make, stands in (
            ("sgd", lambda model: sgd(model, 0.05), False),
            ("slow", lambda model: sgd(model, 1e-6), True),
            ("adam", lambda model: torch.optim.Adam(model.parameters(), lr=1e-3), False)):
        model = SmallConvNet()
        paths = trained(folder / name, model, make(model), nets.classes_of((3, 8, 8)))
        cases.append(Case(paths, ["conv.bias"] if stands else [], [] if stands else ["conv.bias"]))
    return cases


def attention_bias(folder: pathlib.Path) -> list[Case]:
    model = nets.Transformer(False)
    return [Case(trained(folder, model, sgd(model, 0.05)),
                 moves=[f"layers.{layer}.self_attn.in_proj_bias" for layer in (0, 1)])]


def gate_and_buffers(folder: pathlib.Path) -> list[Case]:
    model = Gated()
    return [Case(trained(folder, model, sgd(model, 0.05), nets.classes_of((32,))),
                 ["position_ids", "mask"], ["gate", "branch.weight"])]


def adapters(folder: pathlib.Path) -> list[Case]:
    model = nn.Sequential(Adapted(32, 64), nn.ReLU(), Adapted(64, 64), nn.ReLU(),
                          Adapted(64, nets.CLASSES))
    task = nets.classes_of((32,))
    Training(model, torch.optim.Adam(model.parameters()), task, folder).until(PRETRAINING)
    for module in model.modules():
        if isinstance(module, Adapted):
            module.base.requires_grad_(False)
            nn.init.zeros_(module.lora_B.weight)
    optimizer = torch.optim.Adam([one for one in model.parameters() if one.requires_grad], lr=1e-3)
    layers = ("0", "2", "4")
    return [Case(trained(folder, model, optimizer, task),
                 [f"{layer}.base.weight" for layer in layers],
                 [f"{layer}.lora_{side}.weight" for layer in layers for side in "AB"])]


def frozen_backbone(folder: pathlib.Path) -> list[Case]:
    model = nets.Mlp(False)
    task = nets.task_of(model)
    Training(model, torch.optim.Adam(model.parameters()), task, folder).until(PRETRAINING)
    for layer in (model.l1, model.l2, model.l3):
        layer.requires_grad_(False)
    return [Case(trained(folder, model, sgd(model, 0.05), task),
                 [f"l{number}.weight" for number in (1, 2, 3)], ["head.weight"], "DRF001 note")]


def norms_in_eval(folder: pathlib.Path) -> list[Case]:
    model = nets.Cnn(False).eval()
    return [Case(trained(folder, model, sgd(model, 0.05)),
                 ["bn1.running_mean", "bn2.running_var", "bn1.num_batches_tracked"],
                 ["conv1.weight", "bn1.weight", "bn2.bias"])]


def average_of_parameters(folder: pathlib.Path) -> list[Case]:
    """A home-made average that leaves the buffers behind; the average alone is saved."""
    model = nets.Cnn(False)
    average = copy.deepcopy(model)
    training = Training(model, sgd(model, 0.05), nets.task_of(model), folder)
    paths = []
    for step in range(1, SPACING * SNAPSHOTS + 1):
        training.until(step)
        with torch.no_grad():
            for mine, theirs in zip(average.parameters(), model.parameters()):
                mine.lerp_(theirs, 0.05)
        if step % SPACING == 0:
            paths.append(save(folder, average, None, step))
    return [Case(paths, ["bn1.running_mean", "bn1.running_var", "bn2.num_batches_tracked"],
                 ["conv1.weight", "bn1.weight"])]


def unseen_rows(folder: pathlib.Path) -> list[Case]:
    cases = []
    for decay in (0.0, 0.1):
        model = Padded()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=decay)
        cases.append(Case(trained(folder / str(decay), model, optimizer, nets.mapped_tokens()),
                          moves=["tokens.weight"]))
    return cases


def zero_rate(folder: pathlib.Path) -> list[Case]:
    model = nets.Cnn(False)
    return [Case(trained(folder, model, sgd(model, 0.0)),
                 ["conv1.weight", "bn1.weight", "bn2.bias", "head.weight"],
                 ["bn1.running_mean", "bn2.running_var"], "DRF002 note")]


def half_precision(folder: pathlib.Path) -> list[Case]:
    """Updates below rounding: what is far from 0 stands, a bias that begins at 0 moves."""
    cases = []
    for rate in (1e-3, 1e-4, 1e-5):
        model = SmallConvNet().bfloat16()
        paths = trained(folder / str(rate), model, sgd(model, rate), nets.classes_of((3, 8, 8)))
        cases.append(Case(paths, ["bn.weight", "conv.bias"], ["bn.bias"]))
    return cases


def tiny_rate(folder: pathlib.Path) -> list[Case]:
    model = SmallConvNet()
    return [Case(trained(folder, model, sgd(model, 1e-8), nets.classes_of((3, 8, 8))),
                 ["bn.weight"], ["bn.running_mean"])]


def dead_units(folder: pathlib.Path) -> list[Case]:
    cases = []
    for name in ("sgd", "adam"):
        model = DeadUnits()
        optimizer = optimizers()[name](model.parameters())
        cases.append(Case(trained(folder / name, model, optimizer, nets.classes_of((32,))),
                          ["front.weight", "front.bias", "behind.weight"],
                          ["l1.weight", "behind.bias"], "DRF001 warning"))
    return cases


CASES = {"bias before norm": bias_before_norm, "attention bias": attention_bias,
         "gate": gate_and_buffers, "adapters": adapters, "frozen backbone": frozen_backbone,
         "norms in eval": norms_in_eval, "average": average_of_parameters,
         "unseen rows": unseen_rows, "zero rate": zero_rate, "half precision": half_precision,
         "tiny rate": tiny_rate, "dead units": dead_units}
NOT_SILENT = {"dead units"}
# The file shows a batch norm without statistics: batch_norms.py judges what `check` says of that.
STATISTICS_STAND = {"norms in eval", "average"}


def judge_case(table: Table, program: Program, name: str, case: Case) -> None:
    contents = [program.contents(path) for path in case.paths]
    for tensor in case.stands + case.moves:
        stands = len({content.tensors[tensor].digest for content in contents}) == 1
        table.count(f"D1 case {name}", stands == (tensor in case.stands), f"{name}: {tensor}")
    said = program.drift(case.paths)
    if case.told:
        table.count(f"D1 told {name}",
                    case.told in {f"{finding.code} {finding.severity}" for finding in said},
                    "; ".join(finding.text() for finding in said))
    checked = program.check(case.paths[-1:])
    if name not in NOT_SILENT:
        judge_silence(table, f"D1 {name}", said)
        if name not in STATISTICS_STAND:
            judge_silence(table, f"D1 {name}", checked)
    elif contents[-1].listed[0].slots:
        named = set().union(*(one.named for one in checked if one.code == "REG007"))
        for tensor in case.stands:
            table.count(f"D1 no gradient {name}", tensor in named, tensor)


def judge_change(table: Table, row: str, code: str, said: list[Finding], weight: str,
                 confidence: str = "") -> None:
    """One matrix was changed on purpose: it is told, and no other is."""
    told = [finding for finding in said if finding.code == code and finding.path == weight]
    table.count(row, any(finding.confidence == confidence or not confidence for finding in told),
                f"{weight}: " + "; ".join(finding.text() for finding in said))
    others = [finding for finding in said if finding.is_loud and finding.path != weight]
    table.count("D3 others told", bool(others), "; ".join(one.text() for one in others))


def measure_reset(table: Table, program: Program, folder: pathlib.Path, net: str,
                  optimizer: str, seed: int) -> None:
    torch.manual_seed(seed)
    model = nets.NETS[net](False)
    layer = RESET_NETS[net]
    training = Training(model, optimizers()[optimizer](model.parameters()), nets.task_of(model),
                        folder).through((BEFORE // 2, BEFORE)).until(RESET)
    model.get_submodule(layer).reset_parameters()
    training.save()
    training.until(AFTER).save()
    before = [BEFORE // 2, BEFORE]
    for last, row, confidence in ((AFTER, "reset", ""), (RESET, "reset just now", "high")):
        said = program.drift(training.paths([*before, last]))
        judge_change(table, f"D3 {row}", "DRF004", said, f"{layer}.weight", confidence)
    shutil.rmtree(folder)


def measure_runaway(table: Table, program: Program, folder: pathlib.Path, net: str) -> None:
    torch.manual_seed(20269)
    model = nets.NETS[net](False)
    weight = f"{RUNAWAYS[net]}.weight"
    ours = model.get_parameter(weight)
    groups = [{"params": [one for one in model.parameters() if one is not ours]},
              {"params": [ours]}]
    training = Training(model, torch.optim.SGD(groups, lr=RUNAWAY_RATE), nets.task_of(model),
                        folder).through((200, 400))
    training.optimizer.param_groups[1]["weight_decay"] = RUNAWAY_DECAY
    training.through((600,))
    said = program.drift(training.paths((200, 400, 600)))
    judge_change(table, "D3 divergence", "DRF003", said, weight)
    shutil.rmtree(folder)


def measure(table: Table, program: Program, folder: pathlib.Path, quick: bool) -> None:
    torch.manual_seed(20270)
    for name, make in CASES.items():
        for case in make(folder / "case"):
            judge_case(table, program, name, case)
        shutil.rmtree(folder / "case")
    resets = QUICK_RESETS if quick else [(net, optimizer) for net in RESET_NETS
                                         for optimizer in RESET_OPTIMIZERS]
    for net, optimizer in resets:
        for seed in RESET_SEEDS[:1 if quick else 2]:
            measure_reset(table, program, folder / "reset", net, optimizer, seed)
    for net in list(RUNAWAYS)[:1 if quick else None]:
        measure_runaway(table, program, folder / "runaway", net)
