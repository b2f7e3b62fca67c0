"""Files whose pages the tests look at, made with the standard library alone, and the run that makes
a page."""

import array
import io
import json
import math
import os
import pathlib
import pickle
import random
import re
import struct
import subprocess
import zipfile

FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "fixtures"
SERIES = FIXTURES / "DRF001/bad_frozen_layer"
PAIR = (FIXTURES / "CTR001/bad_layer_renamed.pt", "--against", FIXTURES / "CTR001/ok_state.pt")

# Each would do something if it became markup, script, or a control of what shows it. The script that
# must not run sets `window.ran`.
HOSTILE = [
    "</script><img src=x onerror=window.ran=1>",
    "<!--<script>window.ran=1</script>",
    "]]>", "--><svg onload=window.ran=1>", "'\"><b onclick=window.ran=1>x</b>",
    "&lt;script&gt;window.ran=1&lt;/script&gt;",
    "javascript:window.ran=1", "${window.ran=1}", "`<i>tick", "\ud800<i>surrogate", "{{window.ran=1}}", "__proto__", "constructor",
    "\x1b[31mred\x1b[0m", "line\nbreak\r\n::error::line", "tab\tstop\0end", "right\u202eto left",
    "</title><script>window.ran=1</script>",
    "</textarea></select></style></details><script>window.ran=1</script>",
]
LONG = "<b>" * 350_000


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("TORCHVET_")}


def make_page(program: str, verb: str, *arguments: object, out: pathlib.Path) -> tuple[str, int]:
    """The page of a run and the exit code."""
    run = subprocess.run([program, verb, *map(str, arguments), "--report", f"html={out}", "-q",
                          "--isolated"], capture_output=True, text=True, timeout=300, check=False,
                         env=environment())
    assert out.is_file(), run.stderr
    return out.read_bytes().decode("utf-8"), run.returncode


def data_of(page: str, name: str) -> object:
    """What an inert script element of the page holds."""
    (text,) = re.findall(rf'<script type="application/json" id="{name}">([^<]*)</script>', page)
    return json.loads(text)


def save_safetensors(path: pathlib.Path, tensors: dict[str, tuple[list[int], list[float]]]) -> None:
    """Tensors of float32."""
    header, body = {}, bytearray()
    for name, (shape, numbers) in tensors.items():
        begin = len(body)
        body += array.array("f", numbers).tobytes()
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, len(body)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(body))


def transformer(layers: int, width: int = 8,
                seed: int = 0) -> dict[str, tuple[list[int], list[float]]]:
    """A state_dict with the names of a transformer, 16 tensors a layer and four around them."""
    draw = random.Random(seed)

    def normal(*shape: int) -> tuple[list[int], list[float]]:
        return list(shape), [draw.gauss(0, 0.02) for _ in range(math.prod(shape))]

    def ones() -> tuple[list[int], list[float]]:
        return [width], [1 + draw.gauss(0, 0.1) for _ in range(width)]

    state = {"model.embed_tokens.weight": normal(4 * width, width)}
    for i in range(layers):
        at = f"model.layers.{i}."
        for part in ("q_proj", "k_proj", "v_proj", "o_proj"):
            state[f"{at}self_attn.{part}.weight"] = normal(width, width)
            state[f"{at}self_attn.{part}.bias"] = normal(width)
        for part in ("gate_proj", "up_proj", "down_proj"):
            state[f"{at}mlp.{part}.weight"] = normal(2 * width, width)
        state[f"{at}mlp.gate_proj.bias"] = normal(2 * width)
        for part in ("input_layernorm", "post_attention_layernorm"):
            state[f"{at}{part}.weight"] = ones()
            state[f"{at}{part}.bias"] = normal(width)
    state["model.norm.weight"], state["model.norm.bias"] = ones(), normal(width)
    state["lm_head.weight"] = normal(4 * width, width)
    return state


class _Pickler(pickle._Pickler):  # the one in Python, whose way of saving can be changed
    def persistent_id(self, thing: object):
        return thing.saved if isinstance(thing, _Storage) else None

    def save(self, thing: object, save_persistent_id: bool = True) -> None:
        if isinstance(thing, _Global):
            self.write(pickle.GLOBAL + f"{thing.module}\n{thing.name}\n".encode())
        else:
            super().save(thing, save_persistent_id)


class _Global:
    def __init__(self, module: str, name: str):
        self.module, self.name = module, name

    def __call__(self):
        raise AssertionError("it is only pickled")


class _Storage:
    def __init__(self, key: str):
        self.saved = ("storage", _Global("torch", "FloatStorage"), key, "cpu", 1)


def save_named(path: pathlib.Path, names: list[str]) -> None:
    """An archive of torch.save that holds a state_dict with these names, each of one NaN."""
    stream = io.BytesIO()
    pickler = _Pickler(stream, 2)
    pickler.write(pickle.PROTO + b"\x02" + pickle.EMPTY_DICT + pickle.MARK)
    for place, name in enumerate(names):
        content = name.encode("utf-8", "surrogatepass")
        pickler.write(pickle.BINUNICODE + struct.pack("<I", len(content)) + content)
        pickler.save(_Global("torch._utils", "_rebuild_tensor_v2"))
        pickler.save((_Storage(str(place)), 0, (1,), (1,), False, {}))
        pickler.write(pickle.REDUCE)
    pickler.write(pickle.SETITEMS + pickle.STOP)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", stream.getvalue())
        archive.writestr("archive/byteorder", "little")
        for place in range(len(names)):
            archive.writestr(f"archive/data/{place}", struct.pack("<f", math.nan))
        archive.writestr("archive/version", "3\n")
