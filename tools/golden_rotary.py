"""Tiny random models of the encoders with rotary positions, from transformers' own classes and with its names.
golden_hub.py has those that live as code on the hub alone, or have other names there."""

import dataclasses
import json

import transformers

import golden_encoders
import golden_models
from golden_encoders import EncoderSpec, options_for, pairs_for, texts_for  # noqa: F401  (what make_goldens asks for)


@dataclasses.dataclass(frozen=True)
class RotarySpec(EncoderSpec):
    """`spelling` is the config.json that is written, where it is not the config class's own: the vocabulary's size
    is added. transformers reads it too, so that both spellings are known to mean the same."""

    spelling: dict | None = None


# Odd sizes: heads of 8, an intermediate size that no vector divides.
SIZES = {"hidden_size": 24, "num_attention_heads": 3, "num_hidden_layers": 2, "intermediate_size": 37,
         "max_position_embeddings": 130}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 32, "rope_theta": 5000.0}
CLS = (("pooling", "cls"), ("normalize",))
MEAN = (("pooling", "mean"),)

SPECS = [
    RotarySpec("modernbert", "local windows of 9 to each side in four of six blocks, texts of many windows", 201,
               "ModernBertModel", SIZES | {"num_hidden_layers": 6, "local_attention": 18}, max_length=120,
               dtype="float16"),
    RotarySpec("modernbert_v4", "transformers 4's config: two thetas, every second block global; biases; CLS; a "
               "head's prefix", 202, "ModernBertModel",
               SIZES | {"num_hidden_layers": 5, "local_attention": 11, "global_attn_every_n_layers": 2,
                        "global_rope_theta": 700.0, "local_rope_theta": 30.0, "norm_bias": True,
                        "attention_bias": True, "mlp_bias": True, "norm_eps": 1e-3, "hidden_activation": "silu",
                        "hidden_size": 40, "num_attention_heads": 5},
               spelling={"model_type": "modernbert", "num_hidden_layers": 5, "local_attention": 11,
                         "global_attn_every_n_layers": 2, "global_rope_theta": 700.0, "local_rope_theta": 30.0,
                         "norm_bias": True, "attention_bias": True, "mlp_bias": True, "norm_eps": 1e-3,
                         "hidden_activation": "silu", "hidden_size": 40, "num_attention_heads": 5,
                         "intermediate_size": 37, "max_position_embeddings": 130, "position_embedding_type": "absolute",
                         "layer_norm_eps": 0.5},
               hidden=40, prefix="model.", modules=CLS, max_length=120, dtype="bfloat16"),
    RotarySpec("eurobert", "4 heads over 2, heads of 10; llama3 scaling", 203, "EuroBertModel",
               SIZES | {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 10, "rope_parameters": LLAMA3},
               max_length=120, modules=MEAN, dtype="float16"),
    RotarySpec("eurobert_v4", "transformers 4's config; biases; yarn scaling; CLS; a head's prefix", 204,
               "EuroBertModel",
               SIZES | {"attention_bias": True, "mlp_bias": True, "rms_norm_eps": 1e-2, "hidden_act": "gelu",
                        "rope_parameters": {"rope_type": "yarn", "factor": 4.0, "rope_theta": 250000.0,
                                            "original_max_position_embeddings": 32}},
               spelling=SIZES | {"model_type": "eurobert", "attention_bias": True, "mlp_bias": True,
                                 "rms_norm_eps": 1e-2, "hidden_act": "gelu", "rope_theta": 250000.0,
                                 "rope_scaling": {"type": "yarn", "factor": 4.0,
                                                  "original_max_position_embeddings": 32}},
               prefix="model.", modules=CLS, max_length=120, dtype="bfloat16"),
    RotarySpec("gte_transformers", "GTE by transformers' names; linear scaling; no token types", 205, "GteModel",
               SIZES | {"type_vocab_size": 0, "layer_norm_eps": 1e-3,
                        "rope_parameters": {"rope_type": "linear", "factor": 3.0, "rope_theta": 900.0}},
               prefix="gte.", max_length=120, dtype="bfloat16"),
    RotarySpec("nomic_transformers", "NomicBERT by transformers' names; heads of 10", 206, "NomicBertModel",
               SIZES | {"head_dim": 10}, types=True, max_length=120, modules=CLS, dtype="float16"),
    RotarySpec("jina_v3_transformers", "jina-embeddings-v3 by transformers' names, without adapters", 207,
               "JinaEmbeddingsV3Model", SIZES | {"type_vocab_size": 1}, max_length=120, prefix="roberta.",
               dtype="bfloat16"),
]


def write_model(spec, folder):
    golden_encoders.write_model(spec, folder)
    if spec.spelling is None:
        return
    model, _ = golden_encoders.make_model(spec, 0x1000)
    written = spec.spelling | {"architectures": [spec.architecture], "torch_dtype": spec.dtype,
                               "pad_token_id": spec.pad_id,
                               "vocab_size": json.loads((folder / "config.json").read_text())["vocab_size"]}
    golden_models.write_json(folder / "config.json", written)
    read = transformers.AutoConfig.from_pretrained(folder)
    for name, value in spec.config.items():
        if name != "rope_parameters" and getattr(read, name, value) != value:
            raise SystemExit(f"{spec.name}: transformers reads {name} as {getattr(read, name)}")
    expected = model.config.rope_parameters
    found = {key: value for key, value in read.rope_parameters.items() if key != "type"}
    if expected != found:
        raise SystemExit(f"{spec.name}: transformers reads rope_parameters as {found}, not {expected}")


check_loaded = golden_encoders.check_loaded
