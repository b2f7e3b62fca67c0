"""Published architectures with random weights, in their smallest configuration.

Every tensor that a model returns is a result of the program, hidden states and attentions included.
"""

import contextlib
from collections.abc import Callable
from typing import Any

import torch
import transformers
from torch import nn

from catalog import BATCH, Model, add, image, tokens, values

TEXT = {"vocab_size": 32, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 24, "max_position_embeddings": 24}
LAMA = TEXT | {"num_key_value_heads": 1, "head_dim": 8}
BOTH = {"vocab_size": 32, "d_model": 16, "encoder_layers": 1, "decoder_layers": 1,
        "encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 24,
        "decoder_ffn_dim": 24, "max_position_embeddings": 24}
SPEECH = {"vocab_size": 12, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
          "intermediate_size": 24, "conv_dim": (8, 8), "conv_stride": (4, 4), "conv_kernel": (8, 4),
          "num_feat_extract_layers": 2, "num_conv_pos_embeddings": 4,
          "num_conv_pos_embedding_groups": 2, "apply_spec_augment": False}
VISION = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
          "intermediate_size": 24, "image_size": 16, "patch_size": 8, "num_labels": 3}
STAGES = {"num_channels": 3, "depths": [1, 1], "hidden_sizes": [8, 16], "num_labels": 3}

WORDS = {"input_ids": tokens(6, 30), "attention_mask": lambda: torch.ones(BATCH, 6).long()}
CAUSAL = {"input_ids": tokens(6, 30)}
PAIR = {"input_ids": tokens(6, 30), "decoder_input_ids": tokens(5, 30)}
PICTURE = {"pixel_values": image(3, 16)}
SOUND = {"input_values": values(256)}

# model class, configuration class (None: as the model's), settings, inputs
Row = tuple[str, dict[str, Any], dict[str, Callable[[], torch.Tensor]]]
MODELS: dict[str, Row] = {
    "bert": ("BertForMaskedLM", TEXT, WORDS),
    "bert_pooled": ("BertModel", TEXT, WORDS),
    "roberta": ("RobertaForSequenceClassification", TEXT, WORDS),
    "distilbert": ("DistilBertForMaskedLM", {"vocab_size": 32, "dim": 16, "n_layers": 2,
                                             "n_heads": 2, "hidden_dim": 24,
                                             "max_position_embeddings": 24}, WORDS),
    "electra": ("ElectraForPreTraining", TEXT | {"embedding_size": 12}, WORDS),
    "albert": ("AlbertForMaskedLM", TEXT | {"embedding_size": 12}, WORDS),
    "deberta_v2": ("DebertaV2ForMaskedLM", TEXT | {"relative_attention": True,
                                                   "pos_att_type": ["p2c", "c2p"]}, WORDS),
    "mpnet": ("MPNetForMaskedLM", TEXT, WORDS),
    "xlnet": ("XLNetLMHeadModel", {"vocab_size": 32, "d_model": 16, "n_layer": 2, "n_head": 2,
                                   "d_inner": 24, "use_mems_eval": False}, CAUSAL),
    "fnet": ("FNetForMaskedLM", TEXT, CAUSAL),
    "squeezebert": ("SqueezeBertForMaskedLM", TEXT | {"embedding_size": 16, "q_groups": 2,
                                                      "k_groups": 2, "v_groups": 2,
                                                      "post_attention_groups": 1,
                                                      "intermediate_groups": 2,
                                                      "output_groups": 2}, WORDS),
    "gpt2": ("GPT2LMHeadModel", {"vocab_size": 32, "n_embd": 16, "n_layer": 2, "n_head": 2,
                                 "n_positions": 24}, CAUSAL),
    "gpt_neo": ("GPTNeoForCausalLM", {"vocab_size": 32, "hidden_size": 16, "num_layers": 2,
                                      "num_heads": 2, "intermediate_size": 24,
                                      "max_position_embeddings": 24, "window_size": 4,
                                      "attention_types": [[["global", "local"], 1]]}, CAUSAL),
    "gpt_neox": ("GPTNeoXForCausalLM", TEXT, CAUSAL),
    "gptj": ("GPTJForCausalLM", {"vocab_size": 32, "n_embd": 16, "n_layer": 2, "n_head": 2,
                                 "n_positions": 24, "rotary_dim": 4}, CAUSAL),
    "opt": ("OPTForCausalLM", {"vocab_size": 32, "hidden_size": 16, "num_hidden_layers": 2,
                               "num_attention_heads": 2, "ffn_dim": 24,
                               "max_position_embeddings": 24, "word_embed_proj_dim": 16}, CAUSAL),
    "bloom": ("BloomForCausalLM", {"vocab_size": 32, "hidden_size": 16, "n_layer": 2, "n_head": 2},
              CAUSAL),
    "llama": ("LlamaForCausalLM", LAMA, CAUSAL),
    "mistral": ("MistralForCausalLM", LAMA | {"sliding_window": 4}, CAUSAL),
    "mixtral": ("MixtralForCausalLM", LAMA | {"num_local_experts": 2}, CAUSAL),
    "qwen2": ("Qwen2ForCausalLM", LAMA, CAUSAL),
    "qwen3": ("Qwen3ForCausalLM", LAMA, CAUSAL),
    "gemma": ("GemmaForCausalLM", LAMA, CAUSAL),
    "gemma2": ("Gemma2ForCausalLM", LAMA, CAUSAL),
    "phi": ("PhiForCausalLM", TEXT, CAUSAL),
    "falcon": ("FalconForCausalLM", {"vocab_size": 32, "hidden_size": 16, "num_hidden_layers": 2,
                                     "num_attention_heads": 2}, CAUSAL),
    "mamba": ("MambaForCausalLM", {"vocab_size": 32, "hidden_size": 16, "num_hidden_layers": 2,
                                   "state_size": 4, "time_step_rank": 2}, CAUSAL),
    "rwkv": ("RwkvForCausalLM", {"vocab_size": 32, "hidden_size": 16, "num_hidden_layers": 2,
                                 "attention_hidden_size": 16}, CAUSAL),
    "t5": ("T5ForConditionalGeneration", {"vocab_size": 32, "d_model": 16, "d_kv": 8, "d_ff": 24,
                                          "num_layers": 2, "num_heads": 2}, PAIR),
    "bart": ("BartForConditionalGeneration", BOTH, PAIR),
    "marian": ("MarianMTModel", BOTH | {"pad_token_id": 31, "decoder_start_token_id": 31}, PAIR),
    "pegasus": ("PegasusForConditionalGeneration", BOTH, PAIR),
    "vit": ("ViTForImageClassification", VISION, PICTURE),
    "deit": ("DeiTForImageClassificationWithTeacher", VISION, PICTURE),
    "beit": ("BeitForImageClassification", VISION, PICTURE),
    "dinov2": ("Dinov2ForImageClassification", VISION | {"mlp_ratio": 2}, PICTURE),
    "swin": ("SwinForImageClassification", {"image_size": 16, "patch_size": 2, "embed_dim": 8,
                                            "depths": [1, 1], "num_heads": [2, 2],
                                            "window_size": 4, "num_labels": 3}, PICTURE),
    "convnext": ("ConvNextForImageClassification", STAGES | {"num_stages": 2, "patch_size": 4},
                 PICTURE),
    "resnet_published": ("ResNetForImageClassification",
                         STAGES | {"embedding_size": 8, "layer_type": "basic"}, PICTURE),
    "regnet": ("RegNetForImageClassification",
               STAGES | {"embedding_size": 8, "groups_width": 4, "layer_type": "y"}, PICTURE),
    "mobilenet_v2": ("MobileNetV2ForImageClassification", {"depth_multiplier": 0.1,
                                                           "image_size": 32, "num_labels": 3},
                     {"pixel_values": image(3, 32)}),
    "segformer": ("SegformerForSemanticSegmentation",
                  {"num_encoder_blocks": 2, "depths": [1, 1], "sr_ratios": [2, 1],
                   "hidden_sizes": [8, 16], "patch_sizes": [3, 3], "strides": [2, 2],
                   "num_attention_heads": [1, 2], "mlp_ratios": [2, 2],
                   "decoder_hidden_size": 8, "num_labels": 3}, PICTURE),
    "clip": ("CLIPModel", {"text_config": TEXT | {"eos_token_id": 31}, "vision_config": VISION,
                           "projection_dim": 8},
             {"input_ids": tokens(6, 30), "pixel_values": image(3, 16)}),
    "whisper": ("WhisperForConditionalGeneration",
                {key: value for key, value in BOTH.items() if key != "max_position_embeddings"}
                | {"num_mel_bins": 8, "max_source_positions": 16, "max_target_positions": 16,
                   "pad_token_id": 31, "bos_token_id": 30, "eos_token_id": 31,
                   "decoder_start_token_id": 30, "suppress_tokens": None,
                   "begin_suppress_tokens": None},
                {"input_features": values(8, 32), "decoder_input_ids": tokens(5, 30)}),
    "wav2vec2": ("Wav2Vec2ForCTC", SPEECH, SOUND),
    "hubert": ("HubertForCTC", SPEECH, SOUND),
    "wavlm": ("WavLMForCTC", SPEECH | {"num_buckets": 8, "max_bucket_distance": 16}, SOUND),
    "audio_spectrogram": ("ASTForAudioClassification",
                          {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
                           "intermediate_size": 24, "patch_size": 4, "max_length": 16,
                           "num_mel_bins": 8, "frequency_stride": 4, "time_stride": 4},
                          {"input_values": values(16, 8)}),
    "encodec": ("EncodecModel", {"num_filters": 4, "hidden_size": 8, "codebook_size": 16,
                                 "upsampling_ratios": [2, 2], "num_lstm_layers": 1,
                                 "normalize": False, "target_bandwidths": [24.0]},
                {"input_values": values(1, 64)}),
    "detr": ("DetrForObjectDetection",
             {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1,
              "encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 24,
              "decoder_ffn_dim": 24, "num_queries": 4, "num_labels": 3,
              "use_timm_backbone": False, "use_pretrained_backbone": False, "backbone": None,
              "backbone_config": {"model_type": "resnet", "out_features": ["stage2"],
                                  "layer_type": "basic", "embedding_size": 8} | STAGES},
             {"pixel_values": image(3, 32)}),
    "time_series": ("PatchTSTForPrediction", {"num_input_channels": 2, "context_length": 16,
                                              "patch_length": 4, "patch_stride": 4, "d_model": 16,
                                              "num_hidden_layers": 1, "num_attention_heads": 2,
                                              "ffn_dim": 24, "prediction_length": 4},
                    {"past_values": values(16, 2)}),
    "decision_transformer": ("DecisionTransformerModel",
                             {"state_dim": 3, "act_dim": 2, "hidden_size": 16, "n_layer": 1,
                              "n_head": 2, "max_ep_len": 16},
                             {"states": values(4, 3), "actions": values(4, 2),
                              "rewards": values(4, 1), "returns_to_go": values(4, 1),
                              "timesteps": tokens(4, 16),
                              "attention_mask": lambda: torch.ones(BATCH, 4).long()}),
}


def flat(result: Any) -> tuple[torch.Tensor, ...]:
    if isinstance(result, torch.Tensor):
        return (result,)
    parts = result.values() if isinstance(result, dict) else result
    if not isinstance(result, (dict, list, tuple)):
        return ()
    return tuple(tensor for part in parts for tensor in flat(part))


class AllResults(nn.Module):
    """Calls a model by the names of its inputs, and returns each tensor that it gives."""

    def __init__(self, model: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.model = model
        self.names = names

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return flat(self.model(**dict(zip(self.names, inputs)), return_dict=True))


def build(kind: str, settings: dict[str, Any], names: tuple[str, ...]) -> nn.Module:
    model_class = getattr(transformers, kind)
    config = model_class.config_class(**settings)
    for name, value in (("use_cache", False), ("output_hidden_states", True),
                        ("output_attentions", True)):
        with contextlib.suppress(AttributeError, ValueError):
            setattr(config, name, value)
    return AllResults(model_class._from_config(config, attn_implementation="eager"), names)


def register(name: str, row: Row, forms: tuple[str, ...]) -> None:
    kind, settings, inputs = row
    add(Model(name, lambda: build(kind, settings, tuple(inputs)),
              lambda: tuple(make() for make in inputs.values()), forms))


for _name, _row in MODELS.items():
    register(_name, _row, ("trace", "ep", "epd"))
