"""Healthy programs after torch's own tools: quantized, frozen, optimised."""

import torch
from torch import nn
from torch.ao import quantization

from catalog import Model, add, image, tokens, values
from nets_sequence import LstmTagger
from nets_vision import Mlp, Resnet

SCRIPTED = ("script", "trace")


def dynamic_linear() -> nn.Module:
    return quantization.quantize_dynamic(Mlp().eval(), {nn.Linear}, dtype=torch.qint8)


def dynamic_lstm() -> nn.Module:
    return quantization.quantize_dynamic(LstmTagger().eval(), {nn.LSTM, nn.Linear},
                                         dtype=torch.qint8)


class ConvNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.quant = quantization.QuantStub()
        self.conv = nn.Conv2d(3, 4, 3)
        self.bn = nn.BatchNorm2d(4)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(4, 3)
        self.dequant = quantization.DeQuantStub()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.bn(self.conv(self.quant(x))))
        return self.dequant(self.fc(x.mean([2, 3])))


def static_conv() -> nn.Module:
    model = ConvNet().eval()
    model = quantization.fuse_modules(model, [["conv", "bn", "relu"]])
    model.qconfig = quantization.get_default_qconfig("x86")
    model = quantization.prepare(model)
    model(torch.randn(2, 3, 8, 8))
    return quantization.convert(model)


def observed_conv() -> nn.Module:
    """Prepared for quantization, not converted: observers stand everywhere."""
    model = ConvNet().train()
    model.qconfig = quantization.get_default_qat_qconfig("x86")
    model = quantization.prepare_qat(model)
    model(torch.randn(2, 3, 8, 8))
    return model


def fused_conv() -> nn.Module:
    return quantization.fuse_modules(ConvNet().eval(), [["conv", "bn", "relu"]])


def graph_mode() -> nn.Module:
    from torch.ao.quantization import quantize_fx
    sample = torch.randn(2, 3, 8, 8)
    model = quantize_fx.prepare_fx(ConvNet().eval(), quantization.get_default_qconfig_mapping(),
                                   (sample,))
    model(sample)
    return quantize_fx.convert_fx(model)


def fx_traced() -> nn.Module:
    return torch.fx.symbolic_trace(Resnet())


def frozen(build, optimise: bool = False):
    def make() -> nn.Module:
        program = torch.jit.freeze(torch.jit.script(build().eval()))
        return torch.jit.optimize_for_inference(program) if optimise else program
    return make


def frozen_trace() -> nn.Module:
    program = torch.jit.trace(Resnet().eval(), torch.randn(2, 3, 16, 16), check_trace=False)
    return torch.jit.freeze(program)


def one(name, build, inputs, forms=SCRIPTED, modes=("eval",)) -> None:
    add(Model(name, build, lambda: (inputs(),), forms, modes))


one("dynamic_quantized_mlp", dynamic_linear, values(8))
one("dynamic_quantized_lstm", dynamic_lstm, tokens(6))
one("static_quantized_conv", static_conv, image(3, 8))
one("quantized_graph_mode", graph_mode, image(3, 8))
one("observed_conv", observed_conv, image(3, 8), ("script", "trace", "ep", "epd"))
one("fused_conv", fused_conv, image(3, 8), ("script", "trace", "ep", "epd"))
one("fx_traced_resnet", fx_traced, image(3, 16), ("script", "trace", "ep", "epd"),
    ("eval", "train"))
one("frozen_mlp", frozen(Mlp), values(8), ("script",))
one("frozen_resnet", frozen(Resnet), image(3, 16), ("script",))
one("frozen_lstm", frozen(LstmTagger), tokens(6), ("script",))
one("frozen_trace_resnet", frozen_trace, image(3, 16), ("script",))
one("optimised_mlp", frozen(Mlp, True), values(8), ("script",))
