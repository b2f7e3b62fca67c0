#!/usr/bin/env python3
"""The renames that KEY001 prints, done in torch.

    renames.py --program TORCHVET

Nets are wrapped by the real wrappers in every order, whole and in part, and their state_dicts saved.
For each file torchvet prints a line of Python; the line is executed, and what it leaves must load
strictly into the net without wrappers and hold the same numbers. Without the line the load must fail,
so that each finding is a true one. State_dicts of models that only look wrapped are silent.

Without torch nothing can be compared: exit 77, which CTest counts as skipped."""

import argparse
import itertools
import json
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator

try:
    import torch
    import torch.distributed as dist
    from torch import nn
    from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
    from torch.distributed.fsdp import FullyShardedDataParallel
    from torch.nn.parallel import DataParallel, DistributedDataParallel
    from torch.optim.swa_utils import AveragedModel
except ImportError:
    print("this Python lacks torch")
    sys.exit(77)

MARK = "rename with: "


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU())
        self.attention = nn.MultiheadAttention(4, 2)
        self.classifier = nn.Linear(4, 2)


class Own(nn.Module):
    """An attribute of its own that is called `module`, beside others."""

    def __init__(self) -> None:
        super().__init__()
        self.module = Net()
        self.head = nn.Linear(2, 2)


def compiled(net: nn.Module) -> nn.Module:
    return torch.compile(net, backend="eager")


def sharded(net: nn.Module) -> nn.Module:
    return FullyShardedDataParallel(net, device_id=torch.device("cpu"), use_orig_params=True)


WRAPPERS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "ddp": DistributedDataParallel, "dp": DataParallel, "compiled": compiled}


def names_of_loop(net: nn.Module) -> dict[str, torch.Tensor]:
    """What a loop of one's own saves: parameters by the names of named_parameters(), and buffers."""
    pairs = itertools.chain(net.named_parameters(), net.named_buffers())
    return {name: tensor.detach().clone() for name, tensor in pairs}


def in_part(wrap: Callable[[nn.Module], nn.Module], part: str) -> nn.Module:
    net = Net()
    setattr(net, part, wrap(getattr(net, part)))
    return net


def cases() -> Iterator[tuple[str, nn.Module, dict[str, torch.Tensor]]]:
    """A name, the model in its wrappers, and what is saved of it."""
    for length in (1, 2, 3):
        for order in itertools.product(WRAPPERS, repeat=length):
            if order.count("ddp") > 1 or "compiled compiled" in " ".join(order):
                continue  # torch refuses the one and flattens the other
            net: nn.Module = Net()
            for wrapper in order:
                net = WRAPPERS[wrapper](net)
            yield "_of_".join(reversed(order)), net, net.state_dict()
    for name, wrap in WRAPPERS.items():
        for part in ("features", "classifier"):
            net = in_part(wrap, part)
            yield f"{part}_{name}", net, net.state_dict()
            around = compiled(net)
            yield f"{part}_{name}_compiled", around, around.state_dict()
            around = DataParallel(net)
            yield f"{part}_{name}_parallel", around, around.state_dict()
    net = in_part(checkpoint_wrapper, "features")
    yield "checkpointed", net, names_of_loop(net)
    net = DistributedDataParallel(net)
    yield "checkpointed_ddp", net, names_of_loop(net)
    net = sharded(Net())
    yield "sharded", net, names_of_loop(net)
    net = in_part(lambda part: checkpoint_wrapper(sharded(part)), "features")
    yield "sharded_in_part", net, names_of_loop(net)


def silent_cases() -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
    yield "plain", Net().state_dict()
    yield "own", Own().state_dict()
    yield "own_plain", dict(Own().state_dict())
    yield "average", AveragedModel(Net()).state_dict()
    yield "sharded_whole", sharded(Net()).state_dict()
    yield "checkpointed_whole", in_part(checkpoint_wrapper, "features").state_dict()


def findings_of(program: str, path: pathlib.Path, *options: str) -> list[dict]:
    run = subprocess.run([program, "check", str(path), "--select", "KEY", "--report", "json", *options],
                         capture_output=True, text=True, check=False)
    assert run.returncode in (0, 1), run.stderr
    return json.loads(run.stdout)["findings"]


def compare(program: str, path: pathlib.Path, model: nn.Module, state: dict, key: str) -> str:
    """What is wrong, or nothing."""
    torch.save({key: state, "epoch": 1} if key else state, path)
    findings = findings_of(program, path)
    if [finding["code"] for finding in findings] != ["KEY001"]:
        return f"findings {[finding['code'] for finding in findings]}, expected KEY001"
    if findings_of(program, path, "--for", "resume")[0]["severity"] != "note":
        return "no note for who resumes"
    help_text = findings[0]["help"]
    if MARK not in help_text:
        return f"no rename is printed: {help_text}"
    loaded = torch.load(path, weights_only=True)
    names = {"torch": torch, "state": loaded, "checkpoint": loaded}
    try:
        Net().load_state_dict(loaded[key] if key else loaded)
        return "the file loads without a rename"
    except RuntimeError:
        pass
    exec(help_text.split(MARK, 1)[1], names)
    renamed = names["checkpoint"][key] if key else names["state"]
    bare = Net()
    try:
        bare.load_state_dict(renamed)
    except RuntimeError as problem:
        return f"the rename does not help: {problem}"
    kept = {tuple(tensor.flatten().tolist()) for tensor in state.values()}
    if any(tuple(tensor.flatten().tolist()) not in kept for tensor in bare.state_dict().values()):
        return "other numbers were loaded"
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    program = parser.parse_args().program
    torch.manual_seed(0)
    problems, count = [], 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=0, world_size=1)
        for case, model, state in cases():
            for key in ("", "model"):
                count += 1
                if problem := compare(program, folder / "model.pt", model, state, key):
                    problems.append(f"{case} {key}: {problem}")
        for case, state in silent_cases():
            count += 1
            torch.save(state, folder / "model.pt")
            if found := findings_of(program, folder / "model.pt"):
                problems.append(f"{case}: {found[0]['code']} {found[0]['message']}")
        dist.destroy_process_group()
    print("\n".join(problems) if problems else f"{count} files: every rename loads in torch")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
