"""The folders that every contestant loads: a real model with its length limit raised to 512 tokens, or a model of a
known shape with seeded random weights (which do for speed; accuracy is for real weights to show)."""

import dataclasses
import functools
import json
import math
import pathlib
import shutil

import decoders
import gguf_files
import module_files
from loads import LIMIT


@dataclasses.dataclass(frozen=True)
class Shape:
    architecture: str  # a class of transformers
    layers: int
    hidden: int
    feed_forward: int
    heads: int
    size: str  # the size class of its loads
    fields: tuple = ()  # of its config, beside those that every one has


BERT_BASE = Shape("BertModel", 12, 768, 3072, 12, "base")
# Positions of XLM-RoBERTa begin behind its padding's.
SHAPES = {
    "bge-base": BERT_BASE,
    "bert-base": BERT_BASE,
    "bert-large": Shape("BertModel", 24, 1024, 4096, 16, "large"),
    "xlmr-large": Shape("XLMRobertaModel", 24, 1024, 4096, 16, "large",
                        (("max_position_embeddings", LIMIT + 2), ("pad_token_id", 1), ("type_vocab_size", 1),
                         ("layer_norm_eps", 1e-5))),
    "modernbert-base": Shape("ModernBertModel", 22, 768, 1152, 12, "base",
                             (("max_position_embeddings", 8192), ("local_attention", 128),
                              ("global_attn_every_n_layers", 3), ("pad_token_id", 0), ("bos_token_id", 101),
                              ("cls_token_id", 101), ("eos_token_id", 102), ("sep_token_id", 102))),
    "deberta-v3-base": Shape("DebertaV2Model", 12, 768, 3072, 12, "base",
                             (("relative_attention", True), ("position_buckets", 256), ("share_att_key", True),
                              ("pos_att_type", ["p2c", "c2p"]), ("norm_rel_ebd", "layer_norm"),
                              ("position_biased_input", False), ("max_relative_positions", -1),
                              ("type_vocab_size", 0), ("layer_norm_eps", 1e-7), ("pad_token_id", 0))),
}
NAMES = (*SHAPES, *decoders.SHAPES)


@dataclasses.dataclass
class Model:
    name: str
    path: pathlib.Path
    config: dict  # config.json
    size: str
    random: bool

    @property
    def layers(self):
        return self.config["num_hidden_layers"]

    @property
    def causal(self):
        return self.config["model_type"] in gguf_files.ARCHITECTURES

    def file(self, precision):
        """What contestants load: the folder, or the GGUF file with its codes of few bits."""
        if precision not in gguf_files.QUANTIZED:
            return self.path
        if not self.random or not self.causal:
            raise ValueError(f"{precision} is made for the decoders of random weights only")
        return gguf_files.path_of(self.path, precision)

    def flops(self, lengths):
        """The model's own multiply-adds, each counted as two, without padding and without what depends on weights
        alone."""
        count = PRODUCTS.get(self.config["model_type"], bert_products)
        return 2 * sum(count(self.config, length) for length in lengths)


# ------------------------------------------------------------------ multiply-adds of a text of `tokens` tokens


def bert_products(config, tokens):
    """Every layer's four C x C and two C x F matrices, and the two products of attention with the text itself."""
    hidden, feed_forward = config["hidden_size"], config["intermediate_size"]
    matrices = tokens * (4 * hidden ** 2 + 2 * hidden * feed_forward)
    return config["num_hidden_layers"] * (matrices + 2 * tokens ** 2 * hidden)


def modernbert_products(config, tokens):
    """Three C x F matrices in the place of two, and in all layers but every third only the pairs of tokens that are
    not further apart than half the window."""
    hidden, feed_forward, layers = (config[key] for key in ("hidden_size", "intermediate_size", "num_hidden_layers"))
    every, reach = config["global_attn_every_n_layers"], config["local_attention"] // 2
    seen = sum(min(tokens, i + reach + 1) - max(0, i - reach) for i in range(tokens))
    pairs = sum(seen if layer % every else tokens ** 2 for layer in range(layers))
    return layers * tokens * (4 * hidden ** 2 + 3 * hidden * feed_forward) + 2 * pairs * hidden


def deberta_products(config, tokens):
    """BERT's, and for each term of disentangled attention a token's product with every relative position that it has
    to another, counted once."""
    terms = len(config["pos_att_type"]) if config["relative_attention"] else 0
    return bert_products(config, tokens) + config["num_hidden_layers"] * terms * config["hidden_size"] * (
        met_positions(tokens, config["position_buckets"], config["max_position_embeddings"]))


@functools.lru_cache(maxsize=None)
def met_positions(tokens, buckets, positions):
    """The sum over tokens of how many different relative positions there are to the others and to itself."""
    middle = buckets // 2

    def bucket(distance):
        if distance <= middle:
            return distance
        return middle + math.ceil(math.log(distance / middle) / math.log((positions - 1) / middle) * (middle - 1))

    on_a_side = [0]  # different ones up to each distance
    for distance in range(1, tokens):
        on_a_side.append(on_a_side[-1] + (bucket(distance) != bucket(distance - 1)))
    return sum(1 + on_a_side[i] + on_a_side[tokens - 1 - i] for i in range(tokens))


PRODUCTS = {"modernbert": modernbert_products, "deberta-v2": deberta_products, "qwen3": decoders.products,
            "mistral": decoders.products}


# ------------------------------------------------------------------ the folders


def make_model(name, minilm, folder, layers=None):
    """`layers`: fewer than the shape has."""
    if name in NAMES:
        shape, make = (SHAPES[name], make_random) if name in SHAPES else (decoders.SHAPES[name], decoders.make)
        shape = dataclasses.replace(shape, layers=min(shape.layers, layers or shape.layers))
        path = folder / f"{name}-{shape.layers}-layers"
        if not (path / "complete").exists():
            make(path, minilm, shape)
        return Model(name, path, json.loads((path / "config.json").read_text()), shape.size, True)
    source = minilm if name == "minilm" else pathlib.Path(name)
    path = raise_limit(source.resolve(), folder)
    config = json.loads((path / "config.json").read_text())
    extent = config["num_hidden_layers"] * config["hidden_size"]
    size = "small" if extent <= 6 * 384 else "base" if extent <= 12 * 768 else "large"
    return Model(name if name == "minilm" else source.name, path, config, size, False)


def raise_limit(source, folder):
    path = folder / source.name
    path.mkdir(parents=True, exist_ok=True)
    for entry in source.iterdir():
        link = path / entry.name
        if entry.name != "sentence_bert_config.json" and not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(entry)
    (path / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": LIMIT, "do_lower_case": False}))
    return path


def make_random(path, minilm, shape):
    import torch
    import transformers
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    torch.manual_seed(1)
    architecture = getattr(transformers, shape.architecture)
    fields = {"vocab_size": 30522, "hidden_size": shape.hidden, "num_hidden_layers": shape.layers,
              "num_attention_heads": shape.heads, "intermediate_size": shape.feed_forward,
              "max_position_embeddings": LIMIT} | dict(shape.fields)
    if shape.architecture == "BertModel":
        fields["position_embedding_type"] = "absolute"  # CTranslate2's converter asks for it
    architecture(architecture.config_class(**fields)).save_pretrained(path)
    module_files.write(path, minilm, shape.hidden, "mean_tokens")
    (path / "complete").touch()
