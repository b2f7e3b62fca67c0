"""What a model of the zoo is: a name, a way to build it, and inputs for it.

A class becomes a model by a decorator that names its inputs:

    @net(image(3, 16))
    class Resnet(nn.Module): ...        # the model `resnet`

A batch has two rows everywhere, so that a batch size that got baked shows.
"""

import dataclasses
import importlib
import pathlib
import re
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

BATCH = 2
MODES = ("eval", "train")
# Modules that define models, beside this file. Those that need more than torch come by name only.
TORCH_ONLY = ("nets_vision", "nets_kernels", "nets_sequence", "nets_attention", "nets_weights",
              "nets_flow", "nets_modules", "nets_processed", "nets_types",
              "nets_calls")
NEED_TRANSFORMERS = ("nets_transformers",)


@dataclasses.dataclass(frozen=True)
class Model:
    name: str
    build: Callable[[], nn.Module]
    inputs: Callable[[], tuple[Any, ...]]
    forms: tuple[str, ...] = ("script", "trace", "ep", "epd")
    modes: tuple[str, ...] = MODES
    # For twins: the code that each form must get; a form that is absent cannot show the bug.
    expected: dict[str, str] = dataclasses.field(default_factory=dict)
    # For twins: codes of other true statements.
    also: tuple[str, ...] = ()
    # For twins: edits the saved file.
    edit: Callable[[pathlib.Path], None] | None = None
    # For twins: keeps the mode as the author left it.
    left_on: bool = False
    # False for those that return a dictionary.
    strict: bool = True


MODELS: dict[str, Model] = {}
TWINS: dict[str, Model] = {}


def add(model: Model, table: dict[str, Model] = MODELS) -> None:
    assert model.name not in table, model.name
    table[model.name] = model


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def net(*inputs: Callable[[], Any], **more: Any) -> Callable[[type], type]:
    def register(kind: type) -> type:
        add(Model(snake(kind.__name__), kind, lambda: tuple(make() for make in inputs), **more))
        return kind
    return register


def values(*shape: int) -> Callable[[], torch.Tensor]:
    return lambda: torch.randn(BATCH, *shape)


def image(channels: int, size: int) -> Callable[[], torch.Tensor]:
    return values(channels, size, size)


def tokens(length: int, vocabulary: int = 16) -> Callable[[], torch.Tensor]:
    return lambda: torch.randint(0, vocabulary, (BATCH, length))


def fixed(make: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
    return make


def load(transformers: bool) -> None:
    for module in TORCH_ONLY + ("twins",) + (NEED_TRANSFORMERS if transformers else ()):
        importlib.import_module(module)
