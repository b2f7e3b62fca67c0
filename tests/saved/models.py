"""Saves architectures of transformers in their smallest configuration, with random weights, as the
library itself does: one safetensors file, shards below an index, or a `.bin` of torch.save.

    models.py FOLDER WANTED

Every configuration that transformers knows is made small and tried; what the library cannot build
from a small configuration, within some seconds and some million numbers, is passed over. Prints one
line of JSON: how many were saved, and why others were not."""

import json
import os
import pathlib
import signal
import sys
import warnings

import torch

warnings.simplefilter("ignore")
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

from transformers import CONFIG_MAPPING, AutoModel  # noqa: E402

SECONDS = 20
MOST_NUMBERS = 3_000_000
# The sizes of configurations, by all names that are in use for them.
SMALL = {16: "hidden_size d_model n_embd embedding_size decoder_hidden_size moe_intermediate_size",
         2: "num_hidden_layers n_layer num_layers encoder_layers decoder_layers num_attention_heads "
            "n_head num_heads encoder_attention_heads decoder_attention_heads num_key_value_heads "
            "num_experts num_local_experts n_routed_experts eos_token_id",
         32: "intermediate_size ffn_dim d_ff encoder_ffn_dim decoder_ffn_dim image_size d_inner",
         8: "head_dim d_kv patch_size projection_dim kv_lora_rank q_lora_rank",
         4: "state_size time_step_rank conv_kernel rotary_dim",
         64: "max_position_embeddings n_positions", 99: "vocab_size", 3: "num_labels",
         1: "num_experts_per_tok bos_token_id", 0: "pad_token_id"}
PARTS = ("text_config", "vision_config", "audio_config", "encoder", "decoder", "qformer_config",
         "llm_config")


def shrink(config):
    for value, names in SMALL.items():
        for name in names.split():
            if type(getattr(config, name, None)) is int:
                setattr(config, name, value)
    for part in PARTS:
        if hasattr(getattr(config, part, None), "to_dict"):
            shrink(getattr(config, part))
    return config


def save(model: torch.nn.Module, folder: pathlib.Path, form: int) -> None:
    if form == 0:
        model.save_pretrained(folder)
    elif form == 1:
        numbers = sum(parameter.numel() for parameter in model.parameters())
        model.save_pretrained(folder, max_shard_size=max(1000, numbers))
    else:
        folder.mkdir()
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
        model.config.save_pretrained(folder)


def build(name: str, seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    config = shrink(CONFIG_MAPPING[name]())
    with torch.device("meta"):
        numbers = sum(tensor.numel() for tensor in AutoModel.from_config(config).parameters())
    if numbers > MOST_NUMBERS:
        raise ValueError(f"{numbers} numbers")
    return AutoModel.from_config(config)


def too_slow(*_):
    raise TimeoutError("too slow")


def main() -> int:
    folder, wanted = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    signal.signal(signal.SIGALRM, too_slow)
    saved, refused = 0, {}
    for seed, name in enumerate(sorted(CONFIG_MAPPING)):
        if saved == wanted:
            break
        signal.alarm(SECONDS)
        try:
            save(build(name, seed), folder / name, saved % 3)
        except Exception as error:  # whatever a configuration that is too small leads to
            refused[name] = repr(error)[:200]
            continue
        finally:
            signal.alarm(0)
        saved += 1
    print(json.dumps({"saved": saved, "refused": refused}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
