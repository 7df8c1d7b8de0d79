"""Decoders of known shapes with seeded random weights, in bf16 as such models are published, cut into shards: no more
than one of them is ever in memory."""

import dataclasses
import shutil

import module_files

SHARD_BYTES = 2 << 30


@dataclasses.dataclass(frozen=True)
class Decoder:
    model_type: str
    architecture: str  # a class of transformers
    layers: int
    hidden: int
    feed_forward: int
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    theta: float  # of rotary positions
    epsilon: float
    size: str  # the size class of its loads

    @property
    def norms_heads(self):
        return self.model_type == "qwen3"

    def config(self):
        fields = {"architectures": [self.architecture], "model_type": self.model_type, "dtype": "bfloat16",
                  "hidden_size": self.hidden, "num_hidden_layers": self.layers, "intermediate_size": self.feed_forward,
                  "num_attention_heads": self.heads, "num_key_value_heads": self.kv_heads, "head_dim": self.head_size,
                  "vocab_size": self.vocabulary, "max_position_embeddings": 32768, "rope_theta": self.theta,
                  "rms_norm_eps": self.epsilon, "hidden_act": "silu", "tie_word_embeddings": True,
                  "sliding_window": None, "pad_token_id": 0, "bos_token_id": 101, "eos_token_id": 102}
        if self.norms_heads:
            fields |= {"attention_bias": False, "use_sliding_window": False}
        return fields

    def tensors(self):
        """Name and shape of each, in the file's order."""
        query, key = self.heads * self.head_size, self.kv_heads * self.head_size
        yield "embed_tokens.weight", (self.vocabulary, self.hidden)
        for layer in range(self.layers):
            prefix = f"layers.{layer}."
            yield prefix + "input_layernorm.weight", (self.hidden,)
            yield prefix + "self_attn.q_proj.weight", (query, self.hidden)
            yield prefix + "self_attn.k_proj.weight", (key, self.hidden)
            yield prefix + "self_attn.v_proj.weight", (key, self.hidden)
            yield prefix + "self_attn.o_proj.weight", (self.hidden, query)
            if self.norms_heads:
                yield prefix + "self_attn.q_norm.weight", (self.head_size,)
                yield prefix + "self_attn.k_norm.weight", (self.head_size,)
            yield prefix + "post_attention_layernorm.weight", (self.hidden,)
            yield prefix + "mlp.gate_proj.weight", (self.feed_forward, self.hidden)
            yield prefix + "mlp.up_proj.weight", (self.feed_forward, self.hidden)
            yield prefix + "mlp.down_proj.weight", (self.hidden, self.feed_forward)
        yield "norm.weight", (self.hidden,)


SHAPES = {
    "qwen3-0.6b": Decoder("qwen3", "Qwen3Model", layers=28, hidden=1024, feed_forward=3072, heads=16, kv_heads=8,
                          head_size=128, vocabulary=151669, theta=1e6, epsilon=1e-6, size="0.6b"),
    "mistral-7b": Decoder("mistral", "MistralModel", layers=32, hidden=4096, feed_forward=14336, heads=32, kv_heads=8,
                          head_size=128, vocabulary=32000, theta=1e4, epsilon=1e-5, size="7b"),
}


def products(config, tokens):
    """Multiply-adds of a text: the matrices of every layer, and the two products of attention for each pair of a token
    and one that it sees."""
    hidden, feed_forward = config["hidden_size"], config["intermediate_size"]
    query = config["num_attention_heads"] * config["head_dim"]
    key = config["num_key_value_heads"] * config["head_dim"]
    matrices = tokens * (hidden * (2 * query + 2 * key) + 3 * hidden * feed_forward)
    return config["num_hidden_layers"] * (matrices + 2 * (tokens * (tokens + 1) // 2) * query)


def make(path, minilm, shape):
    """The folder of a shape: sharded safetensors, last-token pooling."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    module_files.write_json(path / "config.json", shape.config())
    module_files.write(path, minilm, shape.hidden, "lasttoken", shape.vocabulary)
    write_weights(path, shape)
    (path / "complete").touch()


def write_weights(path, shape):
    import torch
    generator = torch.Generator().manual_seed(1)
    shards = Shards(path)
    for name, extents in shape.tensors():
        tensor = torch.empty(extents, dtype=torch.bfloat16)
        if len(extents) == 1:  # norms are near one
            tensor.uniform_(0.5, 1.5, generator=generator)
        else:
            tensor.normal_(0, 0.02, generator=generator)
        shards.add(name, tensor)
    shards.finish()


class Shards:
    """A checkpoint's files, written one after the other."""

    def __init__(self, path):
        self.path, self.tensors, self.bytes = path, {}, 0
        self.files = []  # names of the tensors of each

    def add(self, name, tensor):
        size = tensor.numel() * tensor.element_size()
        if self.tensors and self.bytes + size > SHARD_BYTES:
            self.write()
        self.tensors[name] = tensor
        self.bytes += size

    def write(self):
        import safetensors.torch
        safetensors.torch.save_file(self.tensors, self.path / f"{len(self.files)}.part", metadata={"format": "pt"})
        self.files.append(list(self.tensors))
        self.tensors, self.bytes = {}, 0

    def finish(self):
        self.write()
        index = {}
        for i, names in enumerate(self.files):
            file = f"model-{i + 1:05}-of-{len(self.files):05}.safetensors"
            (self.path / f"{i}.part").rename(self.path / file)
            index |= dict.fromkeys(names, file)
        module_files.write_json(self.path / "model.safetensors.index.json", {"metadata": {}, "weight_map": index})
