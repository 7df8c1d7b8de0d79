"""The folders that every contestant loads: a real model with its length limit raised to 512 tokens, or a BERT of a
known shape with seeded random weights (which do for speed; accuracy is for real weights to show)."""

import dataclasses
import json
import pathlib
import shutil

from loads import LIMIT

SHAPES = {  # layers, hidden, feed-forward, heads, size class of its loads
    "bge-base": (12, 768, 3072, 12, "base"),
    "xlmr-large": (24, 1024, 4096, 16, "large"),
}
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")


@dataclasses.dataclass
class Model:
    name: str
    path: pathlib.Path
    layers: int
    hidden: int
    feed_forward: int
    size: str
    random: bool

    def flops(self, lengths):
        """The model's own multiply-adds, each counted as two, without padding: of every layer's four C x C and two
        C x F products, and of attention's two products with the text itself."""
        gemm = 2 * (4 * self.hidden ** 2 + 2 * self.hidden * self.feed_forward)
        return self.layers * sum(length * (gemm + 4 * length * self.hidden) for length in lengths)


def make_model(name, minilm, folder):
    if name in SHAPES:
        layers, hidden, feed_forward, heads, size = SHAPES[name]
        path = folder / name
        if not (path / "complete").exists():
            make_random(path, minilm, layers, hidden, feed_forward, heads)
        return Model(name, path, layers, hidden, feed_forward, size, True)
    source = minilm if name == "minilm" else pathlib.Path(name)
    path = raise_limit(source.resolve(), folder)
    config = json.loads((path / "config.json").read_text())
    layers, hidden = config["num_hidden_layers"], config["hidden_size"]
    size = "small" if layers * hidden <= 6 * 384 else "base" if layers * hidden <= 12 * 768 else "large"
    return Model(name if name == "minilm" else source.name, path, layers, hidden, config["intermediate_size"], size,
                 False)


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


def make_random(path, minilm, layers, hidden, feed_forward, heads):
    import torch
    import transformers
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    torch.manual_seed(1)
    config = transformers.BertConfig(
        vocab_size=30522, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
        intermediate_size=feed_forward, max_position_embeddings=LIMIT,
        position_embedding_type="absolute")  # CTranslate2's converter asks for it
    transformers.BertModel(config, add_pooling_layer=True).save_pretrained(path)
    for name in TOKENIZER_FILES:
        shutil.copyfile(minilm / name, path / name)
    package = "sentence_transformers.models."
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    (path / "modules.json").write_text(json.dumps(
        [{"idx": i, "name": str(i), "path": where, "type": package + kind} for i, (where, kind) in enumerate(modules)]))
    (path / "1_Pooling").mkdir()
    (path / "2_Normalize").mkdir()
    (path / "1_Pooling" / "config.json").write_text(json.dumps(
        {"word_embedding_dimension": hidden, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True,
         "pooling_mode_max_tokens": False, "pooling_mode_mean_sqrt_len_tokens": False}))
    (path / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": LIMIT, "do_lower_case": False}))
    (path / "complete").touch()
