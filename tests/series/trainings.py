"""Short trainings that save a series of checkpoints, healthy ones and ones with a fault, and what
`torchvet drift` must say of each."""

import copy
import dataclasses
import pathlib
from collections.abc import Callable

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from nets import CLASSES, LowRank, Whole

CHECKPOINTS = 5
STEPS = 6  # between two checkpoints
RATES = {"sgd": 0.05, "adam": 2e-3, "adamw": 2e-3}
KINDS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


@dataclasses.dataclass
class Expected:
    """A finding. Its text holds every one of `texts`; `first` is the number of its checkpoint."""

    code: str
    severity: str
    tensor: str = ""
    texts: tuple[str, ...] = ()
    first: int = CHECKPOINTS - 1


class Training:
    """What is trained, and how; a fault changes something before or while it runs."""

    def __init__(self, kind: str, optimizer: str, seed: int = 0, **options: object) -> None:
        torch.manual_seed(seed)
        self.net = Whole(kind, **options)
        self.rate = RATES[optimizer]
        self.make = KINDS[optimizer]
        self.dtype = torch.float32
        self.given: Callable[[], list] = lambda: [*self.net.parameters()]
        self.before_interval: Callable[[int], None] = lambda interval: None
        self.after_step: Callable[[], None] = lambda: None
        self.beside: Callable[[], dict[str, object]] = dict
        self.mode: Callable[[], None] = self.net.train
        self.bad_data = False
        self.optimizer: torch.optim.Optimizer | None = None

    def begin(self) -> None:
        self.optimizer = self.make(self.given(), self.rate)

    def step(self) -> None:
        x = self.net.net.data()
        if x.is_floating_point():
            x = x.to(self.dtype)
        target = torch.randint(0, CLASSES, (x.shape[0],))
        self.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self.net(x).float(), target)
        (loss * float("nan") if self.bad_data else loss).backward()
        self.optimizer.step()
        self.after_step()

    def run(self, folder: pathlib.Path, steps: int = STEPS) -> None:
        """Checkpoint n lies after n intervals and one more step, so that none is the initialisation."""
        folder.mkdir()
        self.mode()
        if self.optimizer is None:
            self.begin()
        self.step()
        for number in range(CHECKPOINTS):
            if number:
                self.before_interval(number)
                for _ in range(steps):
                    self.step()
            state = {"model": self.net.state_dict(), "optimizer": self.optimizer.state_dict(),
                     "global_step": number * steps + 1, **self.beside()}
            torch.save(state, folder / f"step_{number}.pt")


# ---- faults --------------------------------------------------------------------------------------
# Each takes the kind of net and of optimizer, and gives the training and what must be found.

MIDDLE = "net.middle"
UNTOLD = {"sgd": "never changed it", "adam": "no gradient ever reached it",
          "adamw": "no gradient ever reached it"}


def matrices_of(training: Training) -> list[str]:
    return [f"{MIDDLE}.{name}" for name, parameter in training.net.net.middle.named_parameters()
            if parameter.dim() > 1 and parameter.numel() >= 256]


def frozen(kind: str, optimizer: str) -> tuple[Training, list[Expected]]:
    training = Training(kind, optimizer)
    training.net.net.middle.requires_grad_(False)
    return training, [Expected("DRF001", "warning", MIDDLE, (UNTOLD[optimizer],))]


def not_given(kind: str, optimizer: str) -> tuple[Training, list[Expected]]:
    training = Training(kind, optimizer)
    kept = {id(parameter) for parameter in training.net.net.middle.parameters()}
    training.given = lambda: [p for p in training.net.parameters() if id(p) not in kept]
    return training, [Expected("DRF001", "warning", MIDDLE, ("the optimizer does not list it",))]


def made_in_forward(kind: str, optimizer: str) -> tuple[Training, list[Expected]]:
    training = Training(kind, optimizer, made="kept")
    # The first interval is as long as the training before it: resets are not looked for there.
    texts = ("in 3 of the 3 intervals", "forward() makes the layer anew", "generator drew")
    return training, [Expected("DRF004", "warning", "made.weight", texts, first=2)]


def zero_rate(kind: str, optimizer: str) -> tuple[Training, list[Expected]]:
    training = Training(kind, optimizer)
    training.rate = 0.0
    return training, [Expected("DRF002", "note", "", ("every learning rate in the files is 0",))]


def zero_rate_of_one(kind: str, optimizer: str) -> tuple[Training, list[Expected]]:
    training = Training(kind, optimizer)
    middle = [*training.net.net.middle.parameters()]
    kept = {id(parameter) for parameter in middle}
    training.given = lambda: [
        {"params": [p for p in training.net.parameters() if id(p) not in kept]},
        {"params": middle, "lr": 0.0}]
    return training, [Expected("DRF001", "note", MIDDLE, ("its learning rate is 0",))]


def reset(kind: str, optimizer: str) -> tuple[Training, list[Expected]]:
    training = Training(kind, optimizer)

    def before(interval: int) -> None:
        if interval == 3:
            for module in training.net.net.middle.modules():
                again = getattr(module, "reset_parameters", None) or getattr(
                    module, "_reset_parameters", None)
                if again:
                    again()

    training.before_interval = before
    return training, [Expected("DRF004", "warning", name, (), first=3)
                      for name in matrices_of(training)]


def diverging(kind: str, optimizer: str) -> tuple[Training, list[Expected]]:
    training = Training(kind, optimizer)
    middle = [p for p in training.net.net.middle.parameters() if p.dim() > 1]
    kept = {id(parameter) for parameter in middle}
    training.given = lambda: [
        {"params": [p for p in training.net.parameters() if id(p) not in kept]}, {"params": middle}]

    def before(interval: int) -> None:
        if interval == 2:
            # A sign error in the weight decay; Adam divides it out, so there the rate is wrong.
            group = training.optimizer.param_groups[1]
            if optimizer == "adam":
                group["lr"] = training.rate * 1000
            else:
                group["weight_decay"] = -1.2 / training.rate

    training.before_interval = before
    return training, [Expected("DRF003", "warning", name, (), first=2)
                      for name in matrices_of(training)]


def not_finite(kind: str, optimizer: str) -> tuple[Training, list[Expected]]:
    training = Training(kind, optimizer)

    def before(interval: int) -> None:
        training.bad_data = interval == 2

    training.before_interval = before
    return training, [Expected("DRF006", "error", "", ("NaN or infinities",), first=2)]


def stale_optimizer(kind: str, optimizer: str) -> tuple[Training, list[Expected]]:
    """The optimizer's state is kept from the beginning and saved again and again. SGD keeps none."""
    training = Training(kind, optimizer)
    training.begin()
    training.step()
    kept = copy.deepcopy(training.optimizer.state_dict())
    training.beside = lambda: {"optimizer": kept}
    found = Expected("DRF007", "warning", "optimizer", ("counts no step",), first=1)
    return training, [] if optimizer == "sgd" else [found]


def average_never_updated(kind: str, optimizer: str) -> tuple[Training, list[Expected]]:
    training = Training(kind, optimizer)
    average = copy.deepcopy(training.net)
    training.beside = lambda: {"ema": average.state_dict()}
    return training, [Expected("DRF010", "warning", "ema", ("stands still",))]


def average_rounded(kind: str, optimizer: str) -> tuple[Training, list[Expected]]:
    training = Training(kind, optimizer)
    average = copy.deepcopy(training.net).bfloat16()
    training.after_step = lambda: follow(average, training.net, 0.9999)
    training.beside = lambda: {"ema_state_dict": average.state_dict()}
    return training, [Expected("DRF010", "warning", "ema_state_dict", ("lost in rounding",))]


FAULTS = {one.__name__: one for one in (
    frozen, not_given, made_in_forward, zero_rate, zero_rate_of_one, reset, diverging, not_finite,
    stale_optimizer, average_never_updated, average_rounded)}


# ---- healthy trainings ---------------------------------------------------------------------------


def follow(average: nn.Module, net: nn.Module, decay: float) -> None:
    """A home-made average: of the parameters alone."""
    with torch.no_grad():
        for mean, parameter in zip(average.parameters(), net.parameters(), strict=True):
            mean.lerp_(parameter.to(mean.dtype), 1 - decay)


def plain(training: Training) -> None:
    del training


def low_rank(training: Training) -> None:
    training.net.requires_grad_(False)
    training.net.net.head = LowRank(training.net.net.head)
    training.net.net.head.base_layer.requires_grad_(False)
    training.given = lambda: [p for p in training.net.parameters() if p.requires_grad]


def warm_up(training: Training) -> None:
    """The learning rate is 0 until the second checkpoint, and rises from there on."""
    rate, training.rate = training.rate, 0.0

    def before(interval: int) -> None:
        for group in training.optimizer.param_groups:
            group["lr"] = rate * (interval - 1) / 4

    training.before_interval = before


def bfloat16(training: Training) -> None:
    training.net.bfloat16()
    training.dtype = torch.bfloat16


def norm_in_eval(training: Training) -> None:
    def mode() -> None:
        training.net.train()
        for module in training.net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()

    training.mode = mode


def frozen_backbone(training: Training) -> None:
    training.net.requires_grad_(False)
    training.net.net.head.requires_grad_(True)
    training.given = lambda: [*training.net.net.head.parameters()]


def frozen_backbone_listed(training: Training) -> None:
    training.net.requires_grad_(False)
    training.net.net.head.requires_grad_(True)


def average(training: Training, decay: float = 0.999) -> None:
    mean = AveragedModel(training.net, multi_avg_fn=get_ema_multi_avg_fn(decay))
    training.after_step = lambda: mean.update_parameters(training.net)
    training.beside = lambda: {"model_ema": mean.state_dict()}


def average_by_hand(training: Training, decay: float = 0.9999) -> None:
    mean = copy.deepcopy(training.net)
    training.after_step = lambda: follow(mean, training.net, decay)
    training.beside = lambda: {"ema": mean.state_dict()}


def average_not_begun(training: Training) -> None:
    mean = AveragedModel(training.net)
    training.beside = lambda: {"swa_model": mean.state_dict()}


def average_inside(training: Training) -> None:
    """The average is a submodule of the model, and in its state_dict."""
    mean = copy.deepcopy(training.net)
    mean.requires_grad_(False)
    training.given = lambda: [p for p in training.net.parameters() if p.requires_grad]
    trained = [p for name, p in training.net.named_parameters()]
    training.net.model_ema = mean

    def after() -> None:
        with torch.no_grad():
            for one, parameter in zip(mean.parameters(), trained, strict=True):
                one.lerp_(parameter, 0.001)

    training.after_step = after


def scheduled(training: Training) -> None:
    training.begin()
    scheduler = torch.optim.lr_scheduler.OneCycleLR(training.optimizer, training.rate,
                                                    total_steps=CHECKPOINTS * 100)
    training.after_step = scheduler.step
    training.beside = lambda: {"scheduler": scheduler.state_dict()}


def resumed(training: Training) -> None:
    """Net and optimizer are made anew at the third checkpoint, and what was saved is loaded."""

    def before(interval: int) -> None:
        if interval == 3:
            saved = copy.deepcopy(training.optimizer.state_dict())
            training.net.load_state_dict(copy.deepcopy(training.net.state_dict()))
            training.begin()
            training.optimizer.load_state_dict(saved)

    training.before_interval = before


HEALTHY = {one.__name__: one for one in (
    plain, low_rank, warm_up, bfloat16, norm_in_eval, frozen_backbone, frozen_backbone_listed,
    average, average_by_hand, average_not_begun, average_inside, scheduled, resumed)}
HEALTHY_NETS = {"gate": {"gate": True}, "unseen_layer_in_forward": {"made": "forgotten"}}
