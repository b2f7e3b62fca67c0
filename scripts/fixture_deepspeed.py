"""Checkpoints in the layout of DeepSpeed, small and made with torch alone: the names of the files and the keys
in them are those that DeepSpeed documents and its zero_to_fp32.py reads. Classes of DeepSpeed that its files
name are stood in for by empty ones of the same name.

    run/latest                                             text: global_step10
    run/zero_to_fp32.py
    run/global_step10/mp_rank_00_model_states.pt           stages 0 to 2: the model
    run/global_step10/zero_pp_rank_0_mp_rank_00_optim_states.pt    a part of the flat weights and moments a rank
    run/global_step10/zero_pp_rank_0_mp_rank_00_model_states.pt    stage 3: the model has no weights of its own
"""

import contextlib
import pathlib
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator

import torch
from torch import nn

from fixture_tools import save_to

STEP = "global_step10"
CONFIG = {"train_batch_size": 8, "bf16": {"enabled": True}, "optimizer": {"type": "AdamW"}}
SCALER = "deepspeed.runtime.fp16.loss_scaler"


@contextlib.contextmanager
def stand_in_classes() -> Iterator[type]:
    """The class of the loss scaler, under DeepSpeed's name for it."""
    module = types.ModuleType(SCALER)
    scaler = type("LossScaler", (), {"__module__": SCALER})
    module.LossScaler = scaler
    parts = SCALER.split(".")
    names = [".".join(parts[:end]) for end in range(1, len(parts))]
    sys.modules.update({name: types.ModuleType(name) for name in names} | {SCALER: module})
    try:
        yield scaler
    finally:
        for name in (*names, SCALER):
            del sys.modules[name]


def _net() -> nn.Module:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.BatchNorm1d(16), nn.Linear(16, 4))
    optimizer = torch.optim.AdamW(net.parameters(), 1e-2)
    for _ in range(10):
        optimizer.zero_grad()
        net(torch.randn(32, 8)).square().sum().backward()
        optimizer.step()
    return net


def _model_states(net: nn.Module, stage: int, ranks: int) -> dict[str, object]:
    trained = dict(net.named_parameters())
    state = net.state_dict()
    if stage == 3:  # the weights are in the flat parts alone
        state = OrderedDict((name, torch.empty(0) if name in trained else tensor)
                            for name, tensor in state.items())
    shapes = OrderedDict((name, tensor.shape) for name, tensor in trained.items())
    return {"module": state, "buffer_names": [name for name, _ in net.named_buffers()], "optimizer": None,
            "param_shapes": [shapes], "frozen_param_shapes": None, "shared_params": {},
            "frozen_param_fragments": None, "lr_scheduler": None, "data_sampler": None, "random_ltd": None,
            "sparse_tensor_module_names": set(), "skipped_steps": 0, "global_steps": 10,
            "global_samples": 80, "dp_world_size": ranks, "mp_world_size": 1, "ds_config": CONFIG,
            "ds_version": "0.16.4"}


def _optim_states(net: nn.Module, stage: int, rank: int, ranks: int, scaler: object) -> dict[str, object]:
    flat = torch.cat([tensor.detach().flatten() for tensor in net.parameters()])
    flat = torch.cat([flat, torch.zeros(-len(flat) % (2 * ranks))])
    part = flat.chunk(ranks)[rank].clone()
    moments = {"step": 10, "exp_avg": part * 0.01, "exp_avg_sq": part.square() * 0.001 + 1e-9}
    group = {"lr": 0.01, "betas": (0.9, 0.999), "eps": 1e-08, "weight_decay": 0.01, "params": [0]}
    whole = {"state": {0: moments}, "param_groups": [group]}
    state = {"loss_scaler": scaler, "dynamic_loss_scale": False, "overflow": False,
             "partition_count": [ranks] if stage < 3 else ranks, "zero_stage": stage, "ds_version": "0.16.4"}
    if stage < 3:
        state |= {"base_optimizer_state": whole, "clip_grad": 0.0, "group_paddings": [0],
                  "single_partition_of_fp32_groups": [part]}
    else:
        state |= {"optimizer_state_dict": whole, "fp32_flat_groups": [part]}
    return {"optimizer_state_dict": state, "ds_config": CONFIG, "ds_version": "0.16.4"}


def write_run(run: pathlib.Path, *, stage: int = 2, ranks: int = 2, leave_out: tuple[str, ...] = (),
              latest: str = STEP) -> None:
    """A run with one checkpoint, without the files to leave out."""
    folder = run / STEP
    folder.mkdir(parents=True)
    (run / "latest").write_text(latest)
    (run / "zero_to_fp32.py").write_text("# DeepSpeed puts its script for joining the parts here\n")
    net = _net()
    files: dict[str, object] = {}
    with stand_in_classes() as scaler:
        for rank in range(ranks):
            name = f"zero_pp_rank_{rank}_mp_rank_00_"
            files[name + "optim_states.pt"] = _optim_states(net, stage, rank, ranks, scaler())
            if stage == 3:
                files[name + "model_states.pt"] = _model_states(net, stage, ranks)
        if stage < 3:
            files["mp_rank_00_model_states.pt"] = _model_states(net, stage, ranks)
        for name, content in files.items():
            if name not in leave_out:
                save_to(folder / name, content)
