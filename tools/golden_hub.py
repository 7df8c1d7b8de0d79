"""Encoders that live as code on the hub alone, or whose checkpoints and configs there have other names than in
transformers: plain torch, by the hub's names, one function a model. Written from the papers and checked, where
transformers has the model by other names, against it (check_against_transformers); the experts, ALiBi, adapters
and NTK scaling were compared by eye with what vLLM, text-embeddings-inference and the models' own repositories do.

A model is registered with transformers under a model_type of its own, so that sentence-transformers loads it from a
folder like any other."""

import dataclasses
import math
import pathlib
import tempfile

import numpy as np
import torch
import torch.nn.functional as F
import transformers

import golden_encoders
import golden_models
import golden_texts
from golden_encoders import pairs_for, texts_for  # noqa: F401  (what make_goldens asks for)

# ------------------------------------------------------------------ parts


def activation(name):
    return {"gelu": F.gelu, "silu": F.silu, "relu": F.relu,
            "gelu_new": lambda x: F.gelu(x, approximate="tanh")}[name]


class Weights(dict):
    """By their names. Whether linear layers are quantized as torch quantizes them is told here."""

    quantizes = False


def linear(weights, name, x):
    return multiply(x, weights[name + ".weight"], weights.get(name + ".bias"), weights.quantizes)


def multiply(x, weight, bias, quantizes):
    if not quantizes:
        return F.linear(x, weight, bias)
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    layer.weight.data = weight.detach()
    if bias is not None:
        layer.bias.data = bias.detach()
    return torch.ao.quantization.quantize_dynamic(torch.nn.Sequential(layer), {torch.nn.Linear}, dtype=torch.qint8)(x)


def layer_norm(weights, name, x, epsilon):
    return F.layer_norm(x, x.shape[-1:], weights[name + ".weight"], weights[name + ".bias"], epsilon)


def frequencies(size, base):
    return 1.0 / base ** (torch.arange(0, size, 2, dtype=torch.float32) / size)


def turn(x, inverse, interleaved=False):
    """x [T, H, D]: the pairs of its first 2 len(inverse) dimensions turn with their token's place."""
    angles = torch.arange(x.shape[0], dtype=torch.float32)[:, None] * inverse[None, :]
    turns = torch.polar(torch.ones_like(angles), angles)[:, None, :]
    size = 2 * len(inverse)
    part = x[..., :size].float()
    if interleaved:
        turned = torch.view_as_real(torch.view_as_complex(part.reshape(*part.shape[:-1], -1, 2).contiguous()) * turns)
        return torch.cat((turned.flatten(-2).to(x.dtype), x[..., size:]), dim=-1)
    turned = torch.complex(part[..., : size // 2].contiguous(), part[..., size // 2 :].contiguous()) * turns
    return torch.cat((turned.real.to(x.dtype), turned.imag.to(x.dtype), x[..., size:]), dim=-1)


def attend(query, key, value, bias=0.0):
    """[T, H, D] each -> [T, H D]."""
    scores = torch.einsum("ihd,jhd->hij", query, key) / math.sqrt(query.shape[-1]) + bias
    return torch.einsum("hij,jhd->ihd", scores.softmax(dim=-1).to(value.dtype), value).flatten(1)


def heads(x, count):
    return x.unflatten(-1, (count, -1))


def embed(weights, ids, types, has_types):
    x = weights["embeddings.word_embeddings.weight"][ids]
    return x + weights["embeddings.token_type_embeddings.weight"][types] if has_types else x


# ------------------------------------------------------------------ GTE ("new-impl" on the hub)


def gte_shapes(c):
    C, F_ = c.hidden_size, c.intermediate_size
    yield "embeddings.word_embeddings.weight", (c.vocab_size, C)
    if c.position_embedding_type == "absolute":
        yield "embeddings.position_embeddings.weight", (c.max_position_embeddings, C)
    if c.type_vocab_size:
        yield "embeddings.token_type_embeddings.weight", (c.type_vocab_size, C)
    yield from norm_shapes("embeddings.LayerNorm", C)
    for layer in range(c.num_hidden_layers):
        prefix = f"encoder.layer.{layer}."
        for name, outputs in ([("qkv", 3 * C)] if c.pack_qkv else [(part, C) for part in "qkv"]) + [("o", C)]:
            yield from linear_shapes(prefix + f"attention.{name}_proj", outputs, C)
        yield prefix + "mlp.up_gate_proj.weight", (2 * F_, C)
        yield from linear_shapes(prefix + "mlp.down_proj", C, F_)
        yield from norm_shapes(prefix + "attn_ln", C)
        yield from norm_shapes(prefix + "mlp_ln", C)


def rope_fields(c):
    """transformers folds rope_theta into rope_scaling where there is one."""
    return c.rope_parameters or {"rope_theta": c.rope_theta}


def gte_frequencies(c):
    size = c.hidden_size // c.num_attention_heads
    scaling = rope_fields(c)
    if "factor" not in scaling:
        return frequencies(size, scaling["rope_theta"])
    factor, mixed = scaling["factor"], scaling.get("mixed_b")
    if mixed is None:  # https://kexue.fm/archives/9706, (6)
        return frequencies(size, scaling["rope_theta"] * factor) / factor ** (2 / size)
    a = math.log(factor) / (size / 2) ** mixed  # (13), then (12) and (10)
    return frequencies(size, scaling["rope_theta"]) / (a * torch.arange(1, size // 2 + 1, dtype=torch.float32) ** mixed).exp()


def gte_forward(c, w, ids, types):
    epsilon, act = c.layer_norm_eps, activation(c.hidden_act)
    x = embed(w, ids, types, c.type_vocab_size)
    if c.position_embedding_type == "absolute":
        x = x + w["embeddings.position_embeddings.weight"][: len(ids)]
    x = layer_norm(w, "embeddings.LayerNorm", x, epsilon)
    for layer in range(c.num_hidden_layers):
        prefix = f"encoder.layer.{layer}."
        if c.pack_qkv:
            parts = linear(w, prefix + "attention.qkv_proj", x).chunk(3, dim=-1)
        else:
            parts = [linear(w, prefix + f"attention.{part}_proj", x) for part in "qkv"]
        query, key, value = (heads(part, c.num_attention_heads) for part in parts)
        if c.position_embedding_type == "rope":
            query, key = (turn(part, gte_frequencies(c)) for part in (query, key))
        mixed = linear(w, prefix + "attention.o_proj", attend(query, key, value))
        x = layer_norm(w, prefix + "attn_ln", x + mixed, epsilon)
        up, gate = linear(w, prefix + "mlp.up_gate_proj", x).chunk(2, dim=-1)
        x = layer_norm(w, prefix + "mlp_ln", x + linear(w, prefix + "mlp.down_proj", act(gate) * up), epsilon)
    return x


# ------------------------------------------------------------------ NomicBERT


def has_experts(c, layer):
    return c.moe_every_n_layers > 0 and layer % c.moe_every_n_layers == 1


def nomic_shapes(c):
    C, F_ = c.n_embd, c.n_inner
    yield "embeddings.word_embeddings.weight", (c.vocab_size, C)
    if c.type_vocab_size:
        yield "embeddings.token_type_embeddings.weight", (c.type_vocab_size, C)
    yield from norm_shapes("emb_ln", C)
    for layer in range(c.n_layer):
        prefix = f"encoder.layers.{layer}."
        yield from linear_shapes(prefix + "attn.Wqkv", 3 * C, C, c.qkv_proj_bias)
        yield from linear_shapes(prefix + "attn.out_proj", C, C, c.qkv_proj_bias)
        if has_experts(c, layer):
            yield prefix + "mlp.router.layer.weight", (c.num_experts, C)
            yield prefix + "mlp.experts.mlp.w1", (c.num_experts * F_, C)
            yield prefix + "mlp.experts.mlp.w2", (c.num_experts * F_, C)
            yield prefix + "mlp.experts.bias", (C,)
        else:
            for name in ("fc11", "fc12") if c.activation_function.endswith("glu") else ("fc1",):
                yield from linear_shapes(prefix + "mlp." + name, F_, C, c.mlp_fc1_bias)
            yield from linear_shapes(prefix + "mlp.fc2", C, F_, c.mlp_fc2_bias)
        yield from norm_shapes(prefix + "norm1", C)
        yield from norm_shapes(prefix + "norm2", C)


def experts_forward(c, w, prefix, x):
    """Every token by every expert, weighted by its share of the softmax where it is among the token's largest."""
    shares = F.linear(x, w[prefix + "router.layer.weight"]).softmax(dim=-1)
    largest = shares.topk(c.moe_top_k, dim=-1)
    weights = torch.zeros_like(shares).scatter(-1, largest.indices, largest.values)
    first, second = (w[prefix + f"experts.mlp.w{i}"].unflatten(0, (c.num_experts, -1)) for i in (1, 2))
    total = w[prefix + "experts.bias"]
    for expert in range(c.num_experts):
        inner = activation(c.activation_function)(multiply(x, first[expert], None, w.quantizes))
        total = total + weights[:, expert, None] * multiply(inner, second[expert].T, None, w.quantizes)
    return total


def nomic_forward(c, w, ids, types):
    epsilon = c.layer_norm_epsilon
    size = int(c.n_embd // c.n_head * c.rotary_emb_fraction)
    inverse = frequencies(size, c.rotary_emb_base)
    x = layer_norm(w, "emb_ln", embed(w, ids, types, c.type_vocab_size), epsilon)
    for layer in range(c.n_layer):
        prefix = f"encoder.layers.{layer}."
        query, key, value = (heads(part, c.n_head) for part in linear(w, prefix + "attn.Wqkv", x).chunk(3, dim=-1))
        query, key = (turn(part, inverse, c.rotary_emb_interleaved) for part in (query, key))
        mixed = linear(w, prefix + "attn.out_proj", attend(query, key, value))
        x = layer_norm(w, prefix + "norm1", x + mixed, epsilon)
        if has_experts(c, layer):
            y = experts_forward(c, w, prefix + "mlp.", x)
        elif c.activation_function.endswith("glu"):
            gate = {"swiglu": F.silu, "geglu": F.gelu, "glu": torch.sigmoid}[c.activation_function]
            y = linear(w, prefix + "mlp.fc2", linear(w, prefix + "mlp.fc11", x)
                       * gate(linear(w, prefix + "mlp.fc12", x)))
        else:
            y = linear(w, prefix + "mlp.fc2", activation(c.activation_function)(linear(w, prefix + "mlp.fc1", x)))
        x = layer_norm(w, prefix + "norm2", x + y, epsilon)
    return x


# ------------------------------------------------------------------ JinaBERT


def jina_bert_shapes(c):
    C, F_ = c.hidden_size, c.intermediate_size
    yield "embeddings.word_embeddings.weight", (c.vocab_size, C)
    yield "embeddings.token_type_embeddings.weight", (c.type_vocab_size, C)
    yield from norm_shapes("embeddings.LayerNorm", C)
    for layer in range(c.num_hidden_layers):
        prefix = f"encoder.layer.{layer}."
        for part in ("query", "key", "value"):
            yield from linear_shapes(prefix + "attention.self." + part, C, C)
        yield from linear_shapes(prefix + "attention.output.dense", C, C)
        if c.query_key_norm:
            yield prefix + "mlp.up_gated_layer.weight", (2 * F_, C)
            yield from linear_shapes(prefix + "mlp.down_layer", C, F_)
            norms = ("attention.self.layer_norm_q", "attention.self.layer_norm_k", "layer_norm_1", "layer_norm_2")
        else:
            yield prefix + "mlp.gated_layers.weight", (2 * F_, C)
            yield from linear_shapes(prefix + "mlp.wo", C, F_)
            norms = ("attention.output.LayerNorm", "mlp.layernorm")
        for norm in norms:
            yield from norm_shapes(prefix + norm, C)


def alibi(count, tokens):
    """[H, T, T] (Press et al. 2022); the slopes of a count that is no power of two are filled up from the next."""

    def slopes(n):
        if n & (n - 1) == 0:
            return [2.0 ** (-8.0 * (i + 1) / n) for i in range(n)]
        power = 1 << (n.bit_length() - 1)
        return slopes(power) + slopes(2 * power)[0::2][: n - power]

    places = torch.arange(tokens)
    distances = (places[:, None] - places[None, :]).abs()
    return -torch.tensor(slopes(count))[:, None, None] * distances


def jina_bert_forward(c, w, ids, types):
    epsilon = c.layer_norm_eps
    act = {"geglu": F.gelu, "reglu": F.relu}[c.feed_forward_type]
    bias = alibi(c.num_attention_heads, len(ids))
    x = layer_norm(w, "embeddings.LayerNorm", embed(w, ids, types, True), epsilon)
    for layer in range(c.num_hidden_layers):
        prefix = f"encoder.layer.{layer}."
        query, key, value = (linear(w, prefix + "attention.self." + part, x) for part in ("query", "key", "value"))
        if c.query_key_norm:
            query = layer_norm(w, prefix + "attention.self.layer_norm_q", query, epsilon)
            key = layer_norm(w, prefix + "attention.self.layer_norm_k", key, epsilon)
        query, key, value = (heads(part, c.num_attention_heads) for part in (query, key, value))
        x = x + linear(w, prefix + "attention.output.dense", attend(query, key, value, bias))
        if c.query_key_norm:
            x = layer_norm(w, prefix + "layer_norm_1", x, epsilon)
            up, gate = linear(w, prefix + "mlp.up_gated_layer", x).chunk(2, dim=-1)
            x = layer_norm(w, prefix + "layer_norm_2", x + linear(w, prefix + "mlp.down_layer", act(gate) * up), epsilon)
        else:
            x = layer_norm(w, prefix + "attention.output.LayerNorm", x, epsilon)
            gate, up = linear(w, prefix + "mlp.gated_layers", x).chunk(2, dim=-1)
            x = layer_norm(w, prefix + "mlp.layernorm", x + linear(w, prefix + "mlp.wo", act(gate) * up), epsilon)
    return x


# ------------------------------------------------------------------ jina-embeddings-v3

ORIGINAL, DOWN, UP = (".parametrizations.weight." + part for part in ("original", "0.lora_A", "0.lora_B"))


def jina_v3_shapes(c):
    C, F_, n, r = c.hidden_size, c.intermediate_size, len(c.lora_adaptations), c.lora_rank

    def adapted(name, outputs, inputs):
        yield name + ORIGINAL, (outputs, inputs)
        yield name + DOWN, (n, r, inputs)
        yield name + UP, (n, outputs, r)
        yield name + ".bias", (outputs,)

    for name, rows in (("word", c.vocab_size), ("token_type", c.type_vocab_size)):
        yield f"embeddings.{name}_embeddings" + ORIGINAL, (rows, C)
        yield f"embeddings.{name}_embeddings" + DOWN, (n, rows, r)
        yield f"embeddings.{name}_embeddings" + UP, (n, r, C)
    yield from norm_shapes("emb_ln", C)
    for layer in range(c.num_hidden_layers):
        prefix = f"encoder.layers.{layer}."
        yield from adapted(prefix + "mixer.Wqkv", 3 * C, C)
        yield from adapted(prefix + "mixer.out_proj", C, C)
        yield from adapted(prefix + "mlp.fc1", F_, C)
        yield from adapted(prefix + "mlp.fc2", C, F_)
        yield from norm_shapes(prefix + "norm1", C)
        yield from norm_shapes(prefix + "norm2", C)


def merged(c, w, adapter):
    """The weights by the names that they have without adapters, with one of them in them."""
    result = Weights()
    result.quantizes = w.quantizes
    for name, value in w.items():
        if not name.endswith(ORIGINAL):
            result[name] = value
            continue
        module = name.removesuffix(ORIGINAL)
        if adapter is not None:
            down, up = (w[module + part][c.lora_adaptations.index(adapter)] for part in (DOWN, UP))
            product = down @ up if "embeddings" in module else up @ down
            value = value + product * (c.lora_alpha / c.lora_rank)
        result[module + ".weight"] = value
    return result


def jina_v3_forward(c, weights, ids, types, adapter):
    w, epsilon = merged(c, weights, adapter), c.layer_norm_eps
    inverse = frequencies(c.hidden_size // c.num_attention_heads, c.rotary_emb_base)
    x = layer_norm(w, "emb_ln", embed(w, ids, types, True), epsilon)
    for layer in range(c.num_hidden_layers):
        prefix = f"encoder.layers.{layer}."
        parts = linear(w, prefix + "mixer.Wqkv", x).chunk(3, dim=-1)
        query, key, value = (heads(part, c.num_attention_heads) for part in parts)
        mixed = attend(turn(query, inverse), turn(key, inverse), value)
        x = layer_norm(w, prefix + "norm1", x + linear(w, prefix + "mixer.out_proj", mixed), epsilon)
        inner = activation(c.hidden_act)(linear(w, prefix + "mlp.fc1", x))
        x = layer_norm(w, prefix + "norm2", x + linear(w, prefix + "mlp.fc2", inner), epsilon)
    return x


# ------------------------------------------------------------------ as models of transformers


def linear_shapes(name, outputs, inputs, bias=True):
    yield name + ".weight", (outputs, inputs)
    if bias:
        yield name + ".bias", (outputs,)


def norm_shapes(name, size):
    yield name + ".weight", (size,)
    yield name + ".bias", (size,)


class GteHubConfig(transformers.PretrainedConfig):
    model_type = "new"


class NomicHubConfig(transformers.PretrainedConfig):
    model_type = "nomic_bert_hub"
    attribute_map = {"hidden_size": "n_embd", "max_position_embeddings": "n_positions"}


class JinaBertConfig(transformers.PretrainedConfig):
    model_type = "jina_bert"


class JinaV3HubConfig(transformers.PretrainedConfig):
    model_type = "xlm_roberta_hub"


class HubModel(transformers.PreTrainedModel):
    """Modules that hold parameters by their names and do nothing, and a function that computes."""

    shapes, function = None, None
    quantizes = False

    def __init__(self, config):
        super().__init__(config)
        for name, shape in type(self).shapes(config):
            *path, last = name.split(".")
            module = self
            for part in path:
                if not hasattr(module, part):
                    module.add_module(part, torch.nn.Module())
                module = getattr(module, part)
            module.register_parameter(last, torch.nn.Parameter(torch.zeros(shape)))
        self.post_init()

    def _init_weights(self, module):
        pass

    def weights(self, prefix=""):
        """Those whose names begin with it, without it."""
        weights = Weights((name.removeprefix(prefix), value) for name, value in self.named_parameters()
                          if name.startswith(prefix))
        weights.quantizes = self.quantizes
        return weights

    def forward(self, input_ids, attention_mask=None, token_type_ids=None, **ignored):
        types = torch.zeros_like(input_ids) if token_type_ids is None else token_type_ids
        weights = self.weights()
        rows = [self.function(self.config, weights, *row) for row in zip(input_ids, types)]
        if attention_mask is not None and not bool(attention_mask.all()):
            raise ValueError("one text at a time: there is no mask for padding here")
        return transformers.modeling_outputs.BaseModelOutput(last_hidden_state=torch.stack(rows))


class GteHubModel(HubModel):
    base_model_prefix = "new"
    config_class = GteHubConfig
    shapes, function = gte_shapes, staticmethod(gte_forward)


class NomicHubModel(HubModel):
    base_model_prefix = "bert"
    config_class = NomicHubConfig
    shapes, function = nomic_shapes, staticmethod(nomic_forward)


class JinaBertModel(HubModel):
    base_model_prefix = "bert"
    config_class = JinaBertConfig
    shapes, function = jina_bert_shapes, staticmethod(jina_bert_forward)


class JinaV3HubModel(HubModel):
    base_model_prefix = "roberta"
    config_class = JinaV3HubConfig
    shapes = jina_v3_shapes
    adapter = None

    def use_adapter(self, name):
        self.adapter = name

    def function(self, *arguments):
        return jina_v3_forward(*arguments, self.adapter)


for model in (GteHubModel, NomicHubModel, JinaBertModel, JinaV3HubModel):
    transformers.AutoConfig.register(model.config_class.model_type, model.config_class)
    transformers.AutoModel.register(model.config_class, model)


# ------------------------------------------------------------------ the tiny models


@dataclasses.dataclass(frozen=True)
class HubSpec:
    """As golden_encoders.EncoderSpec; `architecture` is what the hub's config.json says, `config` its fields."""

    name: str
    about: str
    seed: int
    model: type
    architecture: str
    config: dict
    pad_id: int = 0
    types: bool = False
    dtype: str = "float32"
    prefix: str = ""
    modules: tuple | None = (("pooling", "mean"), ("normalize",))
    max_length: int = 120
    template: str = "[CLS] $ [SEP]"
    vocab_padding: int = 6
    layout: str = "old"
    subfolder: str = ""
    hidden: int = 24


GTE = {"hidden_size": 24, "num_attention_heads": 3, "num_hidden_layers": 2, "intermediate_size": 37,
       "max_position_embeddings": 130, "hidden_act": "gelu", "layer_norm_type": "layer_norm", "layer_norm_eps": 1e-12,
       "type_vocab_size": 0, "position_embedding_type": "rope", "rope_theta": 500.0, "rope_scaling": None,
       "pack_qkv": True, "logn_attention_scale": False, "logn_attention_clip1": False, "unpad_inputs": False,
       "use_memory_efficient_attention": False}
NOMIC = {"n_embd": 24, "n_head": 3, "n_layer": 2, "n_inner": 37, "n_positions": 130, "type_vocab_size": 2,
         "layer_norm_epsilon": 1e-12, "activation_function": "swiglu", "rotary_emb_base": 1000,
         "rotary_emb_fraction": 1.0, "rotary_emb_interleaved": False, "rotary_emb_scale_base": None,
         "rotary_scaling_factor": None, "max_trained_positions": 2048, "qkv_proj_bias": False, "mlp_fc1_bias": False,
         "mlp_fc2_bias": False, "causal": False, "prenorm": False, "parallel_block": False, "use_rms_norm": False,
         "scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False, "moe_every_n_layers": 0}
EXPERTS = {"activation_function": "gelu", "qkv_proj_bias": True, "mlp_fc1_bias": True, "mlp_fc2_bias": True,
           "rotary_emb_base": 10000, "type_vocab_size": 1, "moe_every_n_layers": 2, "num_experts": 8, "moe_top_k": 2,
           "moe_normalize_expert_weights": False, "expert_choice_router": False, "num_shared_experts": 0, "ffn_div": 1,
           "moe_impl": "megablocks", "n_layer": 4, "layer_norm_epsilon": 1e-5}
JINA = {"hidden_size": 24, "num_attention_heads": 3, "num_hidden_layers": 2, "intermediate_size": 37,
        "max_position_embeddings": 130, "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu",
        "position_embedding_type": "alibi", "feed_forward_type": "geglu", "emb_pooler": "mean", "query_key_norm": False}
JINA_V3 = {"hidden_size": 24, "num_attention_heads": 3, "num_hidden_layers": 2, "intermediate_size": 37,
           "max_position_embeddings": 130, "type_vocab_size": 1, "layer_norm_eps": 1e-5, "hidden_act": "gelu",
           "position_embedding_type": "rotary", "rotary_emb_base": 20000.0, "lora_rank": 3, "lora_alpha": 2,
           "lora_adaptations": ["retrieval.query", "retrieval.passage", "separation", "classification",
                                "text-matching"], "lora_dropout_p": 0.0, "lora_main_params_trainable": False,
           "load_trained_adapters": True, "use_flash_attn": True, "truncate_dim": None,
           "matryoshka_dimensions": [8, 16, 24]}
CLS = (("pooling", "cls"), ("normalize",))

SPECS = [
    HubSpec("gte", "GTE by the hub's names, no token types; fixed NTK scaling", 221, GteHubModel, "NewModel",
            GTE | {"rope_scaling": {"type": "ntk", "factor": 2.0}}, modules=CLS, dtype="float16"),
    HubSpec("gte_plain", "no scaling; last-token pooling", 229, GteHubModel, "NewModel", GTE, dtype="bfloat16",
            modules=(("pooling", "lasttoken"),)),
    HubSpec("gte_unpacked", "q, k and v apart, token types; mixed NTK scaling; a head's prefix", 222, GteHubModel,
            "NewForMaskedLM", GTE | {"rope_scaling": {"type": "ntk", "factor": 4.0, "mixed_b": 0.6}, "type_vocab_size": 2,
                                     "pack_qkv": False, "hidden_act": "silu", "layer_norm_eps": 1e-3},
            types=True, prefix="new.", dtype="bfloat16"),
    HubSpec("gte_absolute", "position embeddings in the place of rotary ones", 223, GteHubModel, "NewModel",
            GTE | {"position_embedding_type": "absolute", "type_vocab_size": 1}, dtype="bfloat16"),
    HubSpec("nomic", "NomicBERT v1.5 by the hub's names", 224, NomicHubModel, "NomicBertModel", NOMIC, types=True,
            dtype="float16"),
    HubSpec("nomic_interleaved", "interleaved pairs in half of a head; biases, GeGLU; a head's prefix; CLS", 225,
            NomicHubModel, "NomicBertModel",
            NOMIC | {"rotary_emb_interleaved": True, "rotary_emb_fraction": 0.5, "qkv_proj_bias": True,
                     "mlp_fc1_bias": True, "mlp_fc2_bias": True, "activation_function": "geglu", "n_embd": 40,
                     "n_head": 5, "type_vocab_size": 0}, hidden=40, prefix="bert.", modules=CLS, dtype="bfloat16"),
    HubSpec("nomic_moe", "NomicBERT v2: eight experts, two a token, in every second of four blocks", 226,
            NomicHubModel, "NomicBertModel", NOMIC | EXPERTS, dtype="float16"),
    HubSpec("jina_bert", "JinaBERT: ALiBi over three heads, gate first", 227, JinaBertModel, "JinaBertForMaskedLM",
            JINA, types=True, dtype="float16"),
    HubSpec("jina_bert_code", "queries and keys normalized, gate second, ReGLU; eight heads; a head's prefix; CLS", 228,
            JinaBertModel, "JinaBertModel",
            JINA | {"query_key_norm": True, "feed_forward_type": "reglu", "hidden_size": 40, "num_attention_heads": 8,
                    "layer_norm_eps": 1e-3}, hidden=40, types=True, prefix="bert.", modules=CLS, dtype="bfloat16"),
    HubSpec("jina_v3", "XLM-RoBERTa with rotary positions; five adapters of rank 3 and none", 230, JinaV3HubModel,
            "XLMRobertaModel", JINA_V3, prefix="roberta.", dtype="bfloat16"),
]


def make_weights(spec, config):
    """By the hub's names; norms and biases vary as much as weights do."""
    random = np.random.default_rng(spec.seed)
    state = {}
    for name, shape in spec.model.shapes(config):
        if name.endswith("bias"):
            value = random.normal(0.0, 0.4, shape)
        elif name.endswith(DOWN) and "embeddings" not in name:
            value = random.normal(0.0, 1.0 / shape[-1] ** 0.5, shape)
        elif name.endswith((DOWN, UP)):
            value = random.normal(0.0, 0.7, shape)
        elif "embeddings" in name and len(shape) == 2:
            value = random.normal(0.0, 1.0 if shape[0] > 200 else 0.6, shape)
        elif len(shape) == 1:
            value = random.normal(1.0, 0.3, shape)
        else:
            # A router that is sure, as trained ones are: rounding does not change its mind.
            value = random.normal(0.0, (6.0 if "router" in name else 1.3) / shape[1] ** 0.5, shape)
        state[name] = torch.from_numpy(value).to(getattr(torch, spec.dtype))
    return state


def write_model(spec, folder):
    folder.mkdir(parents=True)
    vocab = golden_encoders.write_tokenizer(spec, folder) + spec.vocab_padding
    written = spec.config | {"architectures": [spec.architecture], "model_type": spec.model.config_class.model_type,
                             "torch_dtype": spec.dtype, "pad_token_id": spec.pad_id, "vocab_size": vocab}
    golden_models.write_json(folder / "config.json", written)
    state = make_weights(spec, spec.model.config_class(**written))
    golden_models.save_tensors({spec.prefix + name: value for name, value in state.items()},
                               folder / "model.safetensors")
    if spec.modules is not None:
        golden_models.write_modules(spec, folder)


def options_for(spec):
    adapters = spec.config.get("lora_adaptations", [])
    texts = ("bread and boats", "", golden_texts.long_text(60))
    return golden_encoders.options_for(spec) + [(text, {"adapter": name}) for name in adapters for text in texts]


def check_loaded(spec, model):
    """Every stored tensor must have reached the model, and a model of transformers that is the same must agree."""
    state = dict(model.named_parameters())
    for name, value in make_weights(spec, model.config).items():
        if name not in state or not torch.equal(state[name], value.float()):
            raise SystemExit(f"{spec.name}: transformers did not load {name}")
    if spec.name in TWINS:
        check_against_transformers(model, spec.dtype, *TWINS[spec.name])


# Models that transformers has too, and how its config says what the hub's says; NTK scaling it does not have.
TWINS = {
    "gte_plain": (transformers.GteModel, lambda c: transformers.GteConfig(
        vocab_size=c.vocab_size, hidden_size=c.hidden_size, num_hidden_layers=c.num_hidden_layers,
        num_attention_heads=c.num_attention_heads, intermediate_size=c.intermediate_size, hidden_act=c.hidden_act,
        layer_norm_eps=c.layer_norm_eps, type_vocab_size=c.type_vocab_size, pad_token_id=0,
        max_position_embeddings=c.max_position_embeddings,
        rope_parameters={"rope_type": "default", "rope_theta": rope_fields(c)["rope_theta"]})),
    "nomic": (transformers.NomicBertModel, lambda c: transformers.NomicBertConfig(
        vocab_size=c.vocab_size, hidden_size=c.n_embd, num_hidden_layers=c.n_layer, num_attention_heads=c.n_head,
        intermediate_size=c.n_inner, hidden_act="silu", layer_norm_eps=c.layer_norm_epsilon,
        type_vocab_size=c.type_vocab_size, pad_token_id=0, max_position_embeddings=c.n_positions,
        rope_parameters={"rope_type": "default", "rope_theta": float(c.rotary_emb_base)})),
}


@torch.inference_mode()
def check_against_transformers(model, dtype, twin_class, twin_config):
    """transformers renames the hub's tensors as it loads them: its model must then answer as ours does."""
    with tempfile.TemporaryDirectory() as folder:
        config = twin_config(model.config)
        config.architectures = [twin_class.__name__]
        config.save_pretrained(folder)
        golden_models.save_tensors({name: value.detach().clone() for name, value in model.named_parameters()},
                                   pathlib.Path(folder) / "model.safetensors")
        twin = twin_class.from_pretrained(folder, dtype=torch.float32).eval()
    ids = torch.arange(5, 110)[None]
    expected = twin(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    found = model(input_ids=ids).last_hidden_state
    if not torch.allclose(expected, found, rtol=0, atol=2e-5):
        raise SystemExit(f"{twin_class.__name__} disagrees: {(expected - found).abs().max()}")
