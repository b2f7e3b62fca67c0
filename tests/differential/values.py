#!/usr/bin/env python3
"""Compares what torchvet computes of the values of tensors with numpy and torch: every element type
that torch saves, random and adversarial values, every layout of a strided tensor.

    values.py DUMP_VALUES

Counts, extremes, digests, rows and histograms must be equal. Sums of integers and of 8-bit types
must be the exact sum, rounded once. Sums of wider floating-point numbers may be off by
1032 * 2^-53 * sum(|x|): a lane adds at most 1024 numbers before lanes are added. Everything must be
the same on one thread and on three, and for the same file packed again with compression. Without torch nothing can be compared: exit 77 (skipped)."""

import fractions
import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import zipfile

SKIPPED = 77

try:
    import numpy as np
    import torch

    import torch_tensors
except ImportError as problem:
    print(f"skipped: torch or numpy is not there ({problem})")
    sys.exit(SKIPPED)

FLOATS = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
FLOAT8 = [torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz,
          torch.float8_e8m0fnu]
INTEGERS = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.uint16,
            torch.uint32, torch.uint64]
COMPLEX = [torch.complex32, torch.complex64, torch.complex128]
BITS_AS = {8: torch.uint8, 16: torch.int16, 32: torch.int32, 64: torch.int64}
# The Open Compute Project's MX formats: e2m1, the sign first.
FLOAT4 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])
SIZES = [0, 1, 2, 15, 16, 17, 31, 4095, 4096, 4097, 20011]
ALLOWED = 1032 * 2.0**-53


def random_bits(dtype: torch.dtype, shape: tuple[int, ...], generator: np.random.Generator):
    """Every pattern of bits, NaN payloads among them."""
    size = torch.empty(0, dtype=dtype).element_size()
    count = int(np.prod(shape, dtype=np.int64))
    data = generator.integers(0, 256, max(count, 1) * size, dtype=np.uint8)
    return torch.from_numpy(data).view(dtype)[:count].reshape(shape)


def special_values(dtype: torch.dtype) -> dict[str, torch.Tensor]:
    limits = torch.finfo(dtype)
    bits = {2: torch.int16, 4: torch.int32, 8: torch.int64}[limits.bits // 8]
    tiny = torch.arange(1, 40, dtype=bits).view(dtype)  # the smallest subnormals
    inf, nan = float("inf"), float("nan")

    def made(values: list[float]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float64).to(dtype)

    payloads = torch.tensor([inf, -inf, nan, -nan], dtype=dtype).view(bits)
    return {
        "zeros": torch.zeros(100, dtype=dtype),
        "negative zeros": -torch.zeros(100, dtype=dtype),
        "both zeros": made([0.0, -0.0] * 33),
        "negative zero first": made([-0.0, 0.0, -0.0]),
        "subnormals": torch.cat([tiny, -tiny, torch.zeros(3, dtype=dtype)]),
        "around the smallest normal": (torch.tensor([limits.smallest_normal], dtype=dtype).view(bits)
                                       + torch.arange(-20, 20, dtype=bits)).view(dtype),
        "one NaN": made([nan]),
        "only NaN": made([nan] * 50),
        "NaN payloads": (payloads[:, None] + torch.arange(0, 9, dtype=bits)).flatten().view(dtype),
        "positive infinities": made([inf] * 20),
        "negative infinities": made([-inf] * 20),
        "both infinities": made([inf, -inf] * 20),
        "one infinity at the end": made([1.5] * 5000 + [inf]),
        "one NaN in the middle": made([2.5] * 9000 + [nan] + [-7.25] * 9000),
        "largest": made([limits.max] * 700),
        "largest, both signs": made([limits.max, limits.max, limits.min, limits.min] * 175),
        "largest and small": made([limits.max] + [1.0] * 300 + [limits.min]),
        "alternating": made([1e4, -1e4] * 3000 + [1.0]),
        "constant": made([0.1] * 333),
    }


def strided_cases(dtype: torch.dtype, generator: np.random.Generator) -> dict[str, torch.Tensor]:
    base = random_bits(dtype, (24, 35), generator)
    line = base.flatten()
    return {
        "transposed": base.t(),
        "slice": base[3:20, 2:30:3],
        "offset": line[7:200],
        "every third": line[2::3],
        "overlapping": line.as_strided((9, 40), (5, 1), 4),
        "zero stride": line[5:6].expand(400, 50),
        "zero stride outside": line[:35].expand(30, 35),
        "three dimensions": line[:840].reshape(4, 6, 35).permute(2, 0, 1),
        "scalar": line[11],
        "no rows": base[:0],
        "no columns": base[:, :0],
    }


def row_cases(dtype: torch.dtype) -> dict[str, torch.Tensor]:
    rows = torch.randn(40, 33, generator=torch.Generator().manual_seed(5)).mul(20).to(dtype)
    rows[3] = rows[17] = rows[18]
    rows[[5, 6]] = 0
    if dtype in FLOATS:
        rows[8] = -torch.zeros(33, dtype=dtype)
        rows[9, :] = torch.tensor([0.0, -0.0] * 16 + [0.0], dtype=dtype)
    return {"dead and repeated rows": rows, "equal rows": rows[3:4].expand(25, 33),
            "dead rows": torch.zeros(7, 9, dtype=dtype)}


def cases() -> dict[str, torch.Tensor]:
    generator = np.random.default_rng(7)
    found: dict[str, torch.Tensor] = {}

    def add(label: str, dtype: torch.dtype, tensor: torch.Tensor) -> None:
        found[f"{str(dtype).removeprefix('torch.')}: {label}".replace(".", " ")] = tensor

    for dtype in FLOATS + FLOAT8 + INTEGERS + COMPLEX:
        for size in SIZES:
            add(f"{size} patterns of bits", dtype, random_bits(dtype, (size,), generator))
        for label, tensor in strided_cases(dtype, generator).items():
            add(label, dtype, tensor)
    for dtype in FLOATS:
        for label, tensor in special_values(dtype).items():
            add(label, dtype, tensor)
        for size in SIZES:
            add(f"{size} normal", dtype, torch.from_numpy(generator.normal(size=size)).to(dtype))
        # Several pieces: more than 256 KiB.
        add("many normal", dtype, torch.from_numpy(generator.normal(3, 2, 300_001)).to(dtype))
        add("many, transposed", dtype,
            torch.from_numpy(generator.normal(3, 2, (499, 601))).to(dtype).t())
    for dtype in FLOATS + INTEGERS[:5]:
        for label, tensor in row_cases(dtype).items():
            add(label, dtype, tensor)
    for dtype in FLOAT8:
        add("every code", dtype, torch.arange(256, dtype=torch.uint8).view(dtype))
    for dtype in INTEGERS:
        limits = torch.iinfo(dtype)
        add("extremes", dtype, torch.tensor([limits.min, limits.max, 0] * 100, dtype=dtype))
        add("largest only", dtype, torch.full((5000,), limits.max, dtype=dtype))
    add("beyond 2^53", torch.int64, torch.tensor([2**53 + 1, 2**53 + 1, 2**53]))
    add("nearly equal", torch.int64, torch.tensor([2**53 + 1] * 30))
    add("truth", torch.bool, torch.tensor([True, False, True] * 99))
    add("codes", torch.float4_e2m1fn_x2,
        torch.arange(256, dtype=torch.uint8).view(torch.float4_e2m1fn_x2))
    numbers = torch.complex(torch.randn(50, 3), torch.randn(50, 3))
    add("conjugate", torch.complex64, numbers.conj().t())
    add("imaginary part of a conjugate", torch.float32, numbers.clone().conj().imag)
    add("negative view", torch.int16, torch._neg_view(torch.arange(-50, 50, dtype=torch.int16)))
    for dtype in (torch.qint8, torch.quint8, torch.qint32):
        add("quantized", dtype, torch.quantize_per_tensor(torch.randn(30, 5), 0.05, 3, dtype))
    for dtype in (torch.quint4x2, torch.quint2x4):
        for rows, columns in ((3, 5), (4, 8), (1, 1), (7, 3)):
            add(f"packed {rows}x{columns}", dtype, torch.quantize_per_channel(
                torch.randn(rows, columns), torch.full((rows,), 0.3), torch.ones(rows), 0, dtype))
    for dtype, parts in ((torch.bits1x8, 8), (torch.bits2x4, 4), (torch.bits4x2, 2)):
        add(f"{parts} in a byte", dtype, torch.arange(256, dtype=torch.uint8).view(dtype))
    for dtype, size in ((torch.bits8, 40), (torch.bits16, 40)):
        add("raw bits", dtype, torch.arange(size, dtype=torch.uint8).view(dtype))
    return found


def sparse_cases() -> dict[str, torch.Tensor]:
    """Every sparse layout, with zeros and what is not finite among the values that are named."""
    found = {}
    generator = torch.Generator().manual_seed(5)
    for dtype in (torch.float32, torch.bfloat16, torch.float64, torch.int32, torch.complex64):
        dense = torch.randn(12, 8, generator=generator, dtype=torch.float64).mul(5).to(dtype)
        dense[torch.rand(12, 8, generator=generator) < 0.7] = 0
        name = str(dtype).removeprefix("torch.")
        found |= {f"sparse {name}: coo": dense.to_sparse(),
                  f"sparse {name}: hybrid": dense.reshape(4, 3, 8).to_sparse(2),
                  f"sparse {name}: csr": dense.to_sparse_csr(),
                  f"sparse {name}: csc": dense.to_sparse_csc(),
                  f"sparse {name}: bsr": dense.to_sparse_bsr((3, 2)),
                  f"sparse {name}: bsc": dense.to_sparse_bsc((4, 4)),
                  f"sparse {name}: all named": torch.ones(3, 3).to(dtype).to_sparse()}
    nothing = torch.zeros(5, 5).to_sparse()
    bad = torch.sparse_coo_tensor(torch.tensor([[0, 2, 3, 4]]),
                                  torch.tensor([float("nan"), float("-inf"), 0.0, 3.0]), (9,))
    return found | {"sparse: nothing named": nothing, "sparse: not finite": bad.coalesce()}


# ---- what numpy and torch say -------------------------------------------------------------------


def unpacked(data: np.ndarray, bits: int) -> np.ndarray:
    """Unsigned numbers, the lowest bits of a byte first."""
    parts = [(data >> (bits * part)) & ((1 << bits) - 1) for part in range(8 // bits)]
    return np.stack(parts, axis=-1).flatten()


def bytes_of(tensor: torch.Tensor) -> np.ndarray:
    return np.frombuffer(bytes(tensor.contiguous().untyped_storage())[
        :tensor.numel() * tensor.element_size()], np.uint8)


def plain(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.is_quantized:
        return tensor.int_repr()
    tensor = tensor.resolve_conj().resolve_neg()
    return tensor.clone(memory_format=torch.contiguous_format) if tensor.numel() else tensor


def numbers_of(tensor: torch.Tensor) -> np.ndarray | None:
    """The real numbers in logical order; float64 or integers that hold each of them exactly."""
    dtype, values = tensor.dtype, plain(tensor)
    if dtype in (torch.quint4x2, torch.quint2x4):
        return unpacked(bytes_of(values), 4 if dtype == torch.quint4x2 else 2)[:tensor.numel()]
    if dtype == torch.float4_e2m1fn_x2:
        return FLOAT4[unpacked(bytes_of(values), 4)]
    if dtype in (torch.bits1x8, torch.bits2x4, torch.bits4x2):
        return unpacked(bytes_of(values), {torch.bits1x8: 1, torch.bits2x4: 2}.get(dtype, 4))
    if dtype in (torch.bits8, torch.bits16):
        return None
    if dtype.is_complex:
        values = torch.view_as_real(values)
    if dtype == torch.bool:
        return values.numpy().astype(np.uint8).flatten()
    if values.dtype.is_floating_point:
        values = values.double()
    return values.numpy().flatten()


def smallest_normal(dtype: torch.dtype) -> float:
    if dtype == torch.float4_e2m1fn_x2:
        return 1.0
    return torch.finfo(dtype).smallest_normal


def exact_sum(numbers: np.ndarray, squares: bool) -> fractions.Fraction | int:
    if numbers.dtype.kind in "iu":
        return sum(int(n) ** 2 if squares else int(n) for n in numbers)
    if not len(numbers):
        return fractions.Fraction(0)
    parts, exponents = np.frexp(numbers)
    whole = (parts * 2.0**53).astype(np.int64).tolist()
    lowest = int(exponents.min())
    shifts = (exponents - lowest).tolist()
    if squares:
        total = sum((n * n) << (2 * shift) for n, shift in zip(whole, shifts))
    else:
        total = sum(n << shift for n, shift in zip(whole, shifts))
    return total * fractions.Fraction(2) ** ((lowest - 53) * (2 if squares else 1))


def as_float(number: fractions.Fraction | int) -> float:
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")


def is_exact(dtype: torch.dtype, squares: bool) -> bool:
    """Exactly rounded sums: integers (squares up to 32 bits) and what has at most 8 bits, but for
    the type of which the powers of two span more than any accumulator."""
    if dtype in (torch.int64, torch.uint64):
        return not squares
    return dtype not in FLOATS + COMPLEX + [torch.float8_e8m0fnu]


def sum_problem(label: str, got: float, exact, magnitude, dtype, squares: bool) -> str | None:
    expected = as_float(exact)
    if got == expected:
        return None
    if is_exact(dtype, squares) or not np.isfinite(got):
        return f"{label} is {got!r}, exactly it is {expected!r}"
    error = abs(fractions.Fraction(got) - exact)
    if error <= fractions.Fraction(ALLOWED) * magnitude:
        return None
    return f"{label} is {got!r} instead of {expected!r}"


def row_facts(tensor: torch.Tensor) -> dict:
    values = plain(tensor)
    has_rows = values.dim() >= 2 and values.numel() > 0 and not tensor.is_quantized
    if not has_rows or tensor.dtype not in FLOATS + FLOAT8 + INTEGERS + [torch.bool]:
        return {"rows": 0, "zero_rows": 0, "all_rows_equal": False, "distinct_rows": None}
    rows = bytes_of(values).reshape(len(values), -1)
    dead = np.array([bool((n == 0).all()) for n in numbers_of(tensor).reshape(len(values), -1)])
    rows = np.where(dead[:, None], np.uint8(0), rows)
    marked = np.concatenate([dead[:, None].astype(np.uint8), rows], axis=1)
    distinct = len(np.unique(marked, axis=0))
    return {"rows": len(values), "zero_rows": int(dead.sum()), "all_rows_equal": distinct == 1,
            "distinct_rows": distinct}


def histogram_problem(buckets: list, finite: np.ndarray) -> str | None:
    """Every bucket holds what numpy counts in it, and all of them together hold everything."""
    if sum(count for _, _, count in buckets) != len(finite):
        return f"the histogram holds {sum(c for _, _, c in buckets)} of {len(finite)} numbers"
    lows = [low for low, _, _ in buckets]
    if lows != sorted(lows):
        return "the histogram is not ascending"
    negative = np.signbit(finite) if finite.dtype.kind == "f" else finite < 0
    for low, high, count in buckets:
        below = low < 0 or str(low) == "-0.0"
        inside = (finite > low) & (finite <= high) & negative if below else \
                 (finite >= low) & (finite < high) & ~negative
        if int(inside.sum()) != count:
            return f"{count} numbers between {low!r} and {high!r}, numpy counts {int(inside.sum())}"
        far, near = max(abs(low), abs(high)), min(abs(low), abs(high))
        if near > 1e-37 and far > near * 1.1250001:
            return f"the bucket from {low!r} to {high!r} is too wide"
    return None


def counts_of(numbers: np.ndarray, dtype: torch.dtype) -> dict:
    part = {torch.complex32: torch.float16, torch.complex64: torch.float32,
            torch.complex128: torch.float64}.get(dtype, dtype)
    floating = numbers.dtype.kind == "f"
    finite = numbers[np.isfinite(numbers)] if floating else numbers
    return {
        "numbers": len(numbers),
        "nan": int(np.isnan(numbers).sum()) if floating else 0,
        "positive_infinity": int(np.isposinf(numbers).sum()) if floating else 0,
        "negative_infinity": int(np.isneginf(numbers).sum()) if floating else 0,
        "zero": int((numbers == 0).sum()),
        "subnormal": int(((numbers != 0) & (np.abs(numbers) < smallest_normal(part))).sum())
                     if floating else 0,
        "min": float(finite.min()) if len(finite) else 0.0,
        "max": float(finite.max()) if len(finite) else 0.0,
        "all_equal": bool(len(numbers) and (numbers == numbers[0]).all()),
    }


def sum_problems(finite: np.ndarray, dtype: torch.dtype, ours: dict) -> list[str]:
    exact, squares = exact_sum(finite, False), exact_sum(finite, True)
    magnitude = exact_sum(np.abs(finite.astype(np.float64)), False)
    return list(filter(None, [
        sum_problem("sum", ours["sum"], exact, magnitude, dtype, False),
        sum_problem("sum_of_squares", ours["sum_of_squares"], squares, squares, dtype, True)]))


def problems_of_sparse(tensor: torch.Tensor, ours: dict) -> list[str]:
    """Of a sparse tensor the numbers of its dense form are counted."""
    numbers = numbers_of(tensor.to_dense())
    expected = {"count": tensor.numel()} | counts_of(numbers, tensor.dtype)
    finite = numbers[np.isfinite(numbers)] if numbers.dtype.kind == "f" else numbers
    return [f"{key} is {ours.get(key)!r}, numpy or torch says {value!r}"
            for key, value in expected.items() if ours.get(key) != value
            ] + sum_problems(finite, tensor.dtype, ours)


def problems_of(tensor: torch.Tensor, ours: dict) -> list[str]:
    if tensor.layout != torch.strided:
        return problems_of_sparse(tensor, ours)
    numbers = numbers_of(tensor)
    expected = {"count": tensor.numel(), "digest": torch_tensors.digest_of(tensor)}
    if numbers is None:
        expected |= {"numbers": 0}
        return [f"{key} is {ours.get(key)!r}, torch says {value!r}"
                for key, value in expected.items() if ours.get(key) != value]
    floating = numbers.dtype.kind == "f"
    finite = numbers[np.isfinite(numbers)] if floating else numbers
    wide = finite.astype(np.float64)
    expected |= row_facts(tensor) | counts_of(numbers, tensor.dtype)
    found = [f"{key} is {ours.get(key)!r}, numpy or torch says {value!r}"
             for key, value in expected.items() if ours.get(key) != value]
    first = float(numbers[0]) if len(numbers) else 0.0
    if struct.pack("d", ours["first"]) != struct.pack("d", first) and first == first:
        found.append(f"first is {ours['first']!r} instead of {first!r}")
    found += sum_problems(finite, tensor.dtype, ours)
    found += filter(None, [histogram_problem(ours["histogram"], wide)])
    if len(wide):
        exceeded = int((np.abs(wide) > ours["p99"]).sum())
        if exceeded > 0.01 * len(wide) + 1e-9:
            found.append(f"{exceeded} of {len(wide)} magnitudes are above p99")
    return found


def deflated_copy(path: pathlib.Path) -> pathlib.Path:
    """As a tool that packs an archive anew makes it: every member compressed."""
    copy = path.with_name("deflated.pt")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
    return copy


def read_otherwise(copy: pathlib.Path, tensors: dict[str, torch.Tensor]) -> list[str]:
    """The tensors of which torch reads other values from the copy, to know that it is a twin."""
    loaded = torch.load(copy, weights_only=True)
    return [name for name, tensor in tensors.items() if tensor.layout == torch.strided
            and torch_tensors.digest_of(loaded[name]) != torch_tensors.digest_of(tensor)]


def parsed(line: str) -> dict:
    ours = json.loads(line)
    for key in ("min", "max", "first", "sum", "sum_of_squares", "p99"):
        if key in ours:
            ours[key] = float.fromhex(ours[key])
    ours["histogram"] = [(float.fromhex(low), float.fromhex(high), count)
                         for low, high, count in ours.get("histogram", [])]
    return ours


def main() -> int:
    tensors = cases() | sparse_cases()
    repeated = torch.sparse_coo_tensor(torch.tensor([[1, 1]]), torch.tensor([2.0, 3.0]), (4,))
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "values.pt"
        torch.save(tensors | {"repeated": repeated}, path)
        deflated = deflated_copy(path)
        outputs = [subprocess.run([sys.argv[1], str(file), str(threads)], check=True,
                                  capture_output=True, text=True)
                   for file in (path, deflated) for threads in (1, 3)]
        failed = [f"{name}: torch reads other values from the deflated copy"
                  for name in read_otherwise(deflated, tensors)]
    for output, where in zip(outputs[1:], ("three threads", "a deflated file",
                                           "a deflated file on three threads")):
        if (output.stdout, output.stderr) != (outputs[0].stdout, outputs[0].stderr):
            failed.append(f"{where}: other facts than those of the stored file on one thread")
    # An element that is named twice is a sum, which no single value tells: it must be said.
    said = outputs[0].stderr.splitlines()
    failed += [line for line in said if not line.startswith("values of repeated: ")]
    if len(said) == len(failed):
        failed.append("nothing is said of a sparse tensor that names an element twice")
    ours = {record["path"]: record for record in map(parsed, outputs[0].stdout.splitlines())}
    for name, tensor in tensors.items():
        if "computed" not in ours.get(name, {}):
            failed.append(f"{name}: torchvet computed nothing")
            continue
        failed += [f"{name}: {problem}" for problem in problems_of(tensor, ours[name])]
    for line in failed:
        print(f"DIFFERENT {line}")
    print(f"{len(tensors)} tensors of {len({str(t.dtype) for t in tensors.values()})} element types "
          f"compared; {len(failed)} differences")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
