"""Tiny random decoders that never decode, from transformers' own config and model classes: causal and bidirectional.
The tokenizer is WordPiece for all, whose template puts [SEP] at the end as a decoder's puts its end of text."""

import dataclasses
import json

import transformers
from transformers.models.auto import tokenization_auto

import golden_encoders
import golden_models
from golden_encoders import EncoderSpec, pairs_for, texts_for  # noqa: F401  (what make_goldens asks for)

# For some models transformers takes its own tokenizer class whatever the folder says, and rebuilds it as theirs.
tokenization_auto.MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS.clear()


@dataclasses.dataclass(frozen=True)
class DecoderSpec(EncoderSpec):
    """`spelling` replaces fields of the config.json that is written (None: takes one away), where transformers reads
    it to the same. `prompts` are those of config_sentence_transformers.json."""

    template: str = "$ [SEP]"
    max_length: int = 110
    dtype: str = "bfloat16"
    modules: tuple | None = (("pooling", "lasttoken"), ("normalize",))
    spelling: dict | None = None
    prompts: dict | None = None


# Odd sizes: 4 heads of 10 over 2 beside a hidden size of 24, an intermediate size that no vector divides.
GROUPED = {"hidden_size": 24, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 10,
           "num_hidden_layers": 2, "intermediate_size": 37, "max_position_embeddings": 120}
PLAIN = GROUPED | {"num_attention_heads": 3, "num_key_value_heads": 3, "head_dim": 8}
GPT2 = {"n_embd": 24, "n_head": 3, "n_layer": 2, "n_positions": 120}
LAST = (("pooling", "lasttoken"), ("normalize",))
MEAN = (("pooling", "mean"), ("normalize",))
WEIGHTED = (("pooling", "weightedmean"),)
INSTRUCTED = (("pooling", "mean", False), ("normalize",))
PROMPTS = {"query": "Instruct: find the passage about boats\nQuery: "}


def rope(kind, theta=5000.0, **more):
    return {"rope_parameters": {"rope_type": kind, "rope_theta": theta} | more}


LLAMA3 = rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)
YARN = rope("yarn", 250000.0, factor=4.0, original_max_position_embeddings=30)

SPECS = [
    DecoderSpec("llama", "4 heads of 10 over 2; llama3 scaling; a causal mask; a language model's folder; the last "
                "token's vector", 301, "LlamaModel", GROUPED | LLAMA3, prefix="model.", dtype="float16",
                spelling={"architectures": ["LlamaForCausalLM"]}),
    DecoderSpec("llama_biases", "biases everywhere; dynamic scaling; mean pooling; transformers 4's rope_theta", 302,
                "LlamaModel", PLAIN | rope("dynamic", 300.0, factor=4.0) | {"attention_bias": True, "mlp_bias": True,
                                                                            "rms_norm_eps": 1e-2}, modules=MEAN,
                spelling={"rope_parameters": None, "rope_theta": 300.0,
                          "rope_scaling": {"type": "dynamic", "factor": 4.0}}),
    DecoderSpec("llama_weighted", "weighted mean; no modules but a pooling; one head for keys", 303, "LlamaModel",
                GROUPED | {"num_key_value_heads": 1}, modules=WEIGHTED),
    DecoderSpec("llama_bidirectional", "the same weights without the mask: is_causal is false", 303, "LlamaModel",
                GROUPED | {"num_key_value_heads": 1, "is_causal": False}, modules=WEIGHTED),
    DecoderSpec("llama_instructed", "bidirectional, and the mean without the instruction: LLM2Vec's", 304,
                "LlamaModel", PLAIN | {"is_causal": False}, modules=INSTRUCTED, prompts=PROMPTS),
    DecoderSpec("mistral", "a window of 9 tokens; linear scaling; one head for keys; the prompt is pooled", 305,
                "MistralModel", GROUPED | {"num_key_value_heads": 1, "sliding_window": 9} | rope("linear", factor=3.0),
                prefix="model.", prompts=PROMPTS),
    DecoderSpec("mistral_bidirectional", "a window of 9 tokens to each side; mean pooling", 306, "MistralModel",
                GROUPED | {"sliding_window": 9, "is_causal": False}, modules=MEAN, dtype="float16"),
    DecoderSpec("qwen2", "biases of the projections; a window in the last two of three layers; yarn", 307,
                "Qwen2Model", PLAIN | YARN | {"num_hidden_layers": 3, "use_sliding_window": True, "sliding_window": 12,
                                              "max_window_layers": 1}, prefix="model."),
    DecoderSpec("qwen2_bidirectional", "is_causal is false, the last token's vector, a window that is not used: gte's",
                308, "Qwen2Model", GROUPED | {"head_dim": 6, "is_causal": False, "use_sliding_window": False,
                                              "sliding_window": 5, "max_window_layers": 1}, dtype="float16"),
    DecoderSpec("qwen3", "normalized heads of 10; the last token's vector", 309, "Qwen3Model", GROUPED,
                prefix="model.", prompts=PROMPTS),
    DecoderSpec("qwen3_windows", "normalized heads; biases; windows by layer_types; mean pooling", 310, "Qwen3Model",
                GROUPED | {"attention_bias": True, "num_hidden_layers": 3, "use_sliding_window": True,
                           "sliding_window": 7, "rms_norm_eps": 1e-3,
                           "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]},
                modules=MEAN, dtype="float16"),
    DecoderSpec("gemma", "scaled embeddings, norms around 1, GELU by tanh under its first name", 311, "GemmaModel",
                GROUPED | {"num_key_value_heads": 1, "hidden_act": "gelu"}, prefix="model."),
    DecoderSpec("gemma2", "alternating windows of 8, capped scores, norms on both sides, a scale of its own", 312,
                "Gemma2Model", GROUPED | {"num_hidden_layers": 3, "sliding_window": 8, "query_pre_attn_scalar": 17,
                                          "attn_logit_softcapping": 3.0}),
    DecoderSpec("gemma2_bidirectional", "the same seen from both sides; no cap; mean pooling", 313, "Gemma2Model",
                PLAIN | {"sliding_window": 8, "attn_logit_softcapping": None, "is_causal": False}, modules=MEAN),
    DecoderSpec("gemma3", "transformers 4's config: two thetas, every third layer global, scaled linearly", 314,
                "Gemma3TextModel",
                GROUPED | {"num_hidden_layers": 4, "sliding_window": 8, "query_pre_attn_scalar": 17,
                           "layer_types": ["sliding_attention", "sliding_attention", "full_attention",
                                           "sliding_attention"],
                           "rope_parameters": {
                               "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 4000.0},
                               "sliding_attention": {"rope_type": "default", "rope_theta": 100.0}}},
                spelling={"rope_parameters": None, "layer_types": None, "sliding_window_pattern": 3,
                          "rope_theta": 4000.0, "rope_local_base_freq": 100.0,
                          "rope_scaling": {"rope_type": "linear", "factor": 8.0}}),
    DecoderSpec("embedding_gemma", "Gemma 3 without the mask, windows of 6 to each side, mean pooling, a Dense", 315,
                "Gemma3TextModel", GROUPED | {"num_hidden_layers": 3, "sliding_window": 12,
                                              "use_bidirectional_attention": True,
                                              "layer_types": ["sliding_attention", "full_attention",
                                                              "sliding_attention"]},
                modules=(("pooling", "mean"), ("dense", 20, False, "torch.nn.modules.linear.Identity"),
                         ("normalize",)), prompts=PROMPTS),
    DecoderSpec("gpt2", "learned positions, layer norms, transposed matrices; a scale by layer", 316, "GPT2Model",
                GPT2 | {"n_inner": 37, "scale_attn_by_inverse_layer_idx": True}, prefix="transformer.",
                dtype="float16"),
    DecoderSpec("gpt2_unscaled", "scores as they are; a feed-forward of four times the size; weighted mean", 317,
                "GPT2Model", GPT2 | {"scale_attn_weights": False, "activation_function": "relu"}, modules=WEIGHTED),
]


def random_value(random, path, module, name, shape):
    """Norms and biases vary as much as weights do."""
    kind = type(module).__name__
    if kind.startswith("Gemma") and kind.endswith("RMSNorm"):  # 1 is added to these
        return random.normal(0.0, 0.3, shape)
    if kind == "Embedding" and path.endswith("wpe"):
        return random.normal(0.0, 0.6, shape)
    if kind.endswith("ScaledWordEmbedding"):  # by 4.9
        return random.normal(0.0, 0.2, shape)
    if kind == "Conv1D" and name == "weight":
        scale = 0.6 if path.endswith("c_attn") else 1.3  # scores may be unscaled
        return random.normal(0.0, scale / shape[0] ** 0.5, shape)
    return golden_encoders.default_random_value(random, path, module, name, shape)


def write_tokenizer_class(folder):
    """The one that takes tokenizer.json as it is."""
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    golden_models.write_json(path, config | {"tokenizer_class": "TokenizersBackend"})


def write_model(spec, folder):
    golden_encoders.write_model(spec, folder)
    write_tokenizer_class(folder)
    if spec.prompts is not None:
        golden_models.write_json(folder / "config_sentence_transformers.json", {
            "prompts": spec.prompts, "default_prompt_name": None, "similarity_fn_name": "cosine"})
    if spec.spelling is None:
        return
    before = transformers.AutoConfig.from_pretrained(folder).to_dict()
    written = json.loads((folder / "config.json").read_text(encoding="utf-8")) | spec.spelling
    golden_models.write_json(folder / "config.json",
                             {key: value for key, value in written.items() if value is not None})
    after = transformers.AutoConfig.from_pretrained(folder).to_dict()
    for key in ("rope_parameters", "layer_types", "sliding_window"):
        expected, found = (drop_type(config.get(key)) for config in (before, after))
        if expected != found:
            raise SystemExit(f"{spec.name}: transformers reads {key} as {found}, not {expected}")


def drop_type(value):
    """Without transformers 4's word for rope_type."""
    return {key: drop_type(v) for key, v in value.items() if key != "type"} if isinstance(value, dict) else value


check_loaded = golden_encoders.check_loaded


def options_for(spec):
    cases = golden_encoders.options_for(spec)
    for name in spec.prompts or {}:
        cases += [("bread and boats", {"prompt_name": name}), ("", {"prompt_name": name})]
    return cases + [("bread and boats", {"prompt": "an instruction of our own: "})]
