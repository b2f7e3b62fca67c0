"""Saves one model in one form, and tells whether its mode matters."""

import copy
import io
import pathlib
import random
import warnings
from typing import Any

import torch
from torch import nn
from torch.jit import _recursive, _state

from catalog import Model

SEED = 7


def seed(number: int) -> None:
    torch.manual_seed(number)
    random.seed(number)


def in_mode(net: nn.Module, mode: str, model: Model) -> nn.Module:
    if model.left_on:
        return net  # the twin is saved as its author left it
    # Frozen programs have no mode.
    return net.train(mode == "train") if hasattr(net, "training") else net


def build(model: Model, mode: str) -> tuple[nn.Module, tuple[Any, ...]]:
    seed(SEED)
    net = in_mode(model.build(), mode, model)
    seed(SEED + 1)
    inputs = model.inputs()
    seed(SEED + 2)
    return net, inputs


def script(net: nn.Module) -> torch.jit.ScriptModule:
    if isinstance(net, torch.jit.ScriptModule):
        return net
    try:
        return torch.jit.script(net)
    except Exception:
        # torch keeps half of a class that it gave up on, and would then refuse it for that.
        _recursive.concrete_type_store = _recursive.ConcreteTypeStore()
        _state._clear_class_state()
        torch._C._jit_clear_class_registry()
        raise


def save(model: Model, mode: str, form: str, path: pathlib.Path) -> None:
    net, inputs = build(model, mode)
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if form == "script":
            torch.jit.save(script(net), content)
        elif form == "trace":
            program = torch.jit.trace(net, inputs, check_trace=False, strict=model.strict)
            torch.jit.save(program, content)
        else:
            program = torch.export.export(net, inputs, strict=False)
            if form == "epd":
                program = program.run_decompositions()
            torch.export.save(program, content)
    path.write_bytes(content.getvalue())
    if model.edit:
        model.edit(path)


def tensors(result: Any) -> list[torch.Tensor]:
    if isinstance(result, torch.Tensor):
        return [result.dequantize() if result.is_quantized else result]
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, (list, tuple)):
        return [tensor for part in result for tensor in tensors(part)]
    return []


def differ(left: list[torch.Tensor], right: list[torch.Tensor]) -> bool:
    if len(left) != len(right):
        return True
    return any(a.shape != b.shape or not torch.allclose(a.float(), b.float(), 1e-5, 1e-6, True)
               for a, b in zip(left, right))


def mode_matters(model: Model) -> bool:
    """Run as it is used and as it is trained, from the same random state and the same buffers: the
    same draws give the same results unless something looks at the mode. Several states, since a
    dropout may happen to drop nothing."""
    if not hasattr(model.build(), "training"):
        return False
    seed(SEED)
    original = model.build()
    seed(SEED + 1)
    inputs = model.inputs()
    for number in range(8):
        results = []
        for training in (False, True):
            try:
                net = copy.deepcopy(original).train(training)
            except RuntimeError:  # old weight norm keeps a computed tensor
                seed(SEED)
                net = model.build().train(training)
            seed(100 + number)
            with torch.no_grad():
                results.append(tensors(net(*copy.deepcopy(inputs))))
        if differ(*results):
            return True
    return False
