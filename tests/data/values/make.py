"""Makes values.bin and cases.json: tensors as torch sees them, for the unit tests of src/values.

Each case holds the bytes of a storage, a strided view into it, the bytes of the contiguous tensor
that torch makes of that view, and what torch says about its numbers. The fingerprint cases hold
tensors as torch.nn draws them, the same after one step of SGD, and draws of numpy.

Run it with torch 2.13 and numpy: python tests/data/values/make.py
"""

import json
import math
import pathlib

import numpy as np
import torch
from torch import nn

HERE = pathlib.Path(__file__).parent
blob = bytearray()
places: dict[bytes, int] = {}


def put(data: bytes) -> list[int]:
    if data not in places:
        places[data] = len(blob)
        blob.extend(data)
        blob.extend(bytes(-len(blob) % 16))
    return [places[data], len(data)]


def bytes_of(tensor: torch.Tensor) -> bytes:
    whole = tensor.resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format)
    return bytes(whole.untyped_storage())


def moments(tensor: torch.Tensor) -> dict:
    """Of complex elements both parts are counted."""
    wide = torch.view_as_real(tensor.resolve_conj()) if tensor.dtype.is_complex else tensor
    wide = wide.resolve_neg()
    if wide.dtype != torch.float64:
        wide = wide.to(torch.float64 if wide.dtype.is_floating_point else torch.int64)
    flat = wide.flatten()
    finite = flat[torch.isfinite(flat)] if flat.dtype == torch.float64 else flat
    return {
        "numbers": len(flat),
        "nan": int(torch.isnan(flat).sum()),
        "positive_infinity": int(torch.isposinf(flat.double()).sum()),
        "negative_infinity": int(torch.isneginf(flat.double()).sum()),
        "zero": int((flat == 0).sum()),
        "min": float(finite.min()) if len(finite) else 0.0,
        "max": float(finite.max()) if len(finite) else 0.0,
        "all_equal": bool(len(flat) > 0 and (flat == flat[0]).all()),
    }


def case(name: str, tensor: torch.Tensor) -> dict:
    return {
        "name": name,
        "dtype": str(tensor.dtype).removeprefix("torch."),
        "shape": list(tensor.shape),
        "strides": list(tensor.stride()),
        "offset": tensor.storage_offset(),
        "conjugate": tensor.is_conj(),
        "negative": tensor.is_neg(),
        "storage": put(bytes(tensor.untyped_storage())),
        "logical": put(bytes_of(tensor)),
        "moments": moments(tensor),
    }


def number_cases() -> list[dict]:
    generator = torch.Generator().manual_seed(1)
    cases = []
    real = torch.randn(6, 5, 4, generator=generator)
    real[0, 0, 0], real[1, 1, 1], real[2, 2, 2] = 0.0, float("nan"), float("inf")
    real[3, 3, 3], real[4, 4, 3] = float("-inf"), -0.0
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        cases.append(case(f"plain {dtype}", real.to(dtype)))
        cases.append(case(f"permuted {dtype}", real.to(dtype).permute(2, 0, 1)))
    codes = torch.arange(256, dtype=torch.uint8)
    for dtype in (torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz,
                  torch.float8_e5m2fnuz, torch.float8_e8m0fnu):
        cases.append(case(f"every code {dtype}", codes.view(dtype)))
    cases.append(case("every code float16", torch.arange(65536).to(torch.uint16).view(torch.float16)))
    whole = torch.randint(-100, 100, (7, 3), generator=generator)
    for dtype in (torch.int8, torch.int16, torch.int32, torch.int64):
        cases.append(case(f"transposed {dtype}", whole.to(dtype).t()))
    for dtype in (torch.uint8, torch.uint16, torch.uint32, torch.uint64, torch.bool):
        cases.append(case(f"plain {dtype}", whole.abs().to(dtype)))
    cases.append(case("int64 beyond 2^53", torch.tensor([2**53 + 1, 2**53 + 1, 2**53])))
    line = torch.arange(60, dtype=torch.float32)
    cases += [
        case("offset", line[7:19]),
        case("every third", line[2::3]),
        case("overlapping", line.as_strided((5, 8), (3, 1), 4)),
        case("expanded", torch.tensor([2.5]).expand(40, 50)),
        case("rows of a matrix", line.view(6, 10)[1:5, 3:7]),
        case("scalar", torch.tensor(3.5)),
        case("empty", torch.empty(0, 4)),
        case("channels last", torch.randn(2, 3, 4, 5, generator=generator).contiguous(
            memory_format=torch.channels_last)),
        case("larger than a block", torch.randn(260, 139, generator=generator).half().t()),
    ]
    complex_ = torch.randn(5, 3, dtype=torch.complex64, generator=generator)
    cases += [
        case("complex", complex_),
        case("conjugate", complex_.conj().t()),
        case("negative view", complex_.conj().imag),
        case("negative integers", torch._neg_view(whole.to(torch.int16))),
        case("complex128", complex_.to(torch.complex128)),
    ]
    return cases


def older_trunc_normal(shape: tuple[int, ...], std: float, cut: float) -> torch.Tensor:
    """`trunc_normal_(std=std, a=-cut, b=cut)` as torch computed it before 2.13, line by line."""
    low = (1 + math.erf(-cut / std / math.sqrt(2))) / 2
    high = (1 + math.erf(cut / std / math.sqrt(2))) / 2
    tensor = torch.empty(shape).uniform_(2 * low - 1, 2 * high - 1).erfinv_()
    return tensor.mul_(std * math.sqrt(2)).add_(0).clamp_(min=-cut, max=cut)


def fingerprint_cases() -> list[dict]:
    torch.manual_seed(2)
    model = nn.ModuleDict({
        "linear": nn.Linear(32, 64),
        "conv": nn.Conv2d(8, 16, 3),
        "lstm": nn.LSTM(16, 16),
        "embedding": nn.Embedding(100, 16),
    })

    def cases(label: str, expected: dict[str, str]) -> list[dict]:
        state = {k: v.detach().clone() for k, v in model.state_dict().items()}
        return [{"name": f"{k} {label}", "path": k, "shape": list(v.shape), "data": put(bytes_of(v)),
                 "siblings": {o: list(s.shape) for o, s in state.items() if o != k},
                 "expected": expected.get(k, "none")} for k, v in state.items() if v.numel() >= 64]

    uniform = ["linear.weight", "linear.bias", "conv.weight", "lstm.weight_ih_l0",
               "lstm.weight_hh_l0", "lstm.bias_ih_l0", "lstm.bias_hh_l0"]
    found = cases("fresh", {**dict.fromkeys(uniform, "uniform"), "embedding.weight": "normal"})

    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    x = torch.randn(8, 32)
    loss = model["linear"](x).square().mean()
    loss = loss + model["conv"](torch.randn(2, 8, 6, 6)).square().mean()
    loss = loss + model["lstm"](torch.randn(5, 2, 16))[0].square().mean()
    loss = loss + (model["embedding"](torch.arange(100)) - 1).square().mean()
    loss.backward()
    optimizer.step()
    found += cases("after one step", {})

    # A quarter of the rows trained: no longer what the generator drew.
    rows = nn.Embedding(400, 16).weight.detach()
    rows[torch.randperm(400)[:100]] += torch.randn(100, 16) * 1e-3
    drawn = {
        "embedding, a quarter trained": (rows, "none"),
        "numpy uniform": (torch.from_numpy(
            np.random.default_rng(3).uniform(-0.25, 0.25, (128, 16)).astype(np.float32)), "none"),
        "float64 draw": (torch.empty(64, 32, dtype=torch.float64).uniform_(-1, 1).mul(32**-0.5)
                         .float(), "none"),
        "xavier": (nn.init.xavier_uniform_(torch.empty(48, 24)), "uniform"),
        "kaiming for ReLU": (nn.init.kaiming_uniform_(torch.empty(48, 24), nonlinearity="relu"),
                             "uniform"),
        "normal 0.02": (torch.empty(64, 32).normal_(0, 0.02), "normal"),
        "truncated normal": (nn.init.trunc_normal_(torch.empty(64, 32), std=0.02), "normal"),
        "truncated normal of older torch": (older_trunc_normal((64, 33), 0.02, 2.0), "truncated-normal"),
        "the same, 0.01 and few": (older_trunc_normal((16, 16), 0.01, 2.0), "truncated-normal"),
        "the same, cut at two deviations": (older_trunc_normal((64, 33), 0.02, 0.04), "none"),
        "the same, not a known deviation": (older_trunc_normal((64, 33), 0.03, 2.0), "none"),
        "the same, after a small step": (older_trunc_normal((64, 33), 0.02, 2.0)
                                         + torch.randn(64, 33) * 1e-6, "none"),
        "orthogonal": (nn.init.orthogonal_(torch.empty(48, 48)), "none"),
        "ones": (torch.ones(64, 32), "unknown"),
        "rounded to float16": (torch.empty(64, 16).uniform_(-0.25, 0.25).half().float(), "unknown"),
        "too few": (torch.empty(3, 16).uniform_(-0.25, 0.25), "unknown"),
    }
    for name, (tensor, expected) in drawn.items():
        found.append({"name": name, "path": "w.weight", "shape": list(tensor.shape),
                      "data": put(bytes_of(tensor)), "siblings": {}, "expected": expected})
    return found


def main() -> None:
    cases = {"torch": torch.__version__.split("+")[0], "numbers": number_cases(),
             "fingerprints": fingerprint_cases()}
    text = json.dumps(cases, indent=None).replace('}, {', '},\n{')
    (HERE / "cases.json").write_text(text + "\n")
    (HERE / "values.bin").write_bytes(bytes(blob))


if __name__ == "__main__":
    main()
