"""What makes a folder of weights a sentence-transformers model: its modules, and a tokenizer."""

import json
import shutil

from loads import LIMIT

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
NO_WORD = "[none"  # how tokens begin that no text has
POOLINGS = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")


def write(path, minilm, hidden, pooling, vocabulary=0):
    """Into the folder at `path`, with MiniLM's tokenizer, whatever the model's own: what is computed for a token does
    not depend on it. `pooling` is one of POOLINGS; there are at least `vocabulary` tokens, the rest of which no text
    has."""
    for name in TOKENIZER_FILES:
        shutil.copyfile(minilm / name, path / name)
    fill_vocabulary(path, vocabulary)
    package = "sentence_transformers.models."
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    write_json(path / "modules.json",
               [{"idx": i, "name": str(i), "path": where, "type": package + kind}
                for i, (where, kind) in enumerate(modules)])
    (path / "1_Pooling").mkdir()
    (path / "2_Normalize").mkdir()
    write_json(path / "1_Pooling" / "config.json",
               {"word_embedding_dimension": hidden} | {f"pooling_mode_{mode}": mode == pooling for mode in POOLINGS})
    write_json(path / "sentence_bert_config.json", {"max_seq_length": LIMIT, "do_lower_case": False})


def fill_vocabulary(path, size):
    words = (path / "vocab.txt").read_text(encoding="utf-8").splitlines()
    added = [f"{NO_WORD}{i}]" for i in range(len(words), size)]
    if not added:
        return
    (path / "vocab.txt").write_text("".join(word + "\n" for word in words + added), encoding="utf-8")
    tokenizer = json.loads((path / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["model"]["vocab"] |= {word: len(words) + i for i, word in enumerate(added)}
    write_json(path / "tokenizer.json", tokenizer)


def write_json(path, value):
    path.write_text(json.dumps(value))
