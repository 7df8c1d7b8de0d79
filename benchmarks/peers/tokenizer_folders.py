"""The tokenizers that are compared alone: for each a folder that WDE loads, and one with the tokenizer.json that the
`tokenizers` package loads. Where a folder has no tokenizer.json, WDE reads what there is, and transformers makes one for
the other."""

import dataclasses
import gzip
import os
import pathlib
import shutil

# What belongs together, by file name in the folder that is made; the others are taken as they are.
FILES = {
    "bert-base-uncased": {"tokenizer.json": "bert-base-uncased/tokenizer.bge-style.json"},
    "xlm-roberta": {"tokenizer.json": "xlm-roberta/tokenizer.json.gz"},
    "qwen3": {"vocab.json": "qwen2/vocab.json", "merges.txt": "qwen2/merges.txt",
              "tokenizer_config.json": "qwen3/tokenizer_config.json", "added_tokens.json": "qwen3/added_tokens.json",
              "special_tokens_map.json": "qwen3/special_tokens_map.json"},
}


@dataclasses.dataclass
class TokenizerFolders:
    name: str
    wde: pathlib.Path
    package: pathlib.Path  # with tokenizer.json


def names(data):
    return sorted(path.name for path in data.iterdir() if path.is_dir())


def make(name, data, target):
    """`data` has a folder for each tokenizer; what is made goes into `target`."""
    files = FILES.get(name) or {path.name: f"{name}/{path.name}" for path in (data / name).iterdir()}
    folder = target / name
    folder.mkdir(parents=True, exist_ok=True)
    for file, source in files.items():
        if source.endswith(".gz"):
            with gzip.open(data / source) as packed:
                (folder / file).write_bytes(packed.read())
        else:
            shutil.copyfile(data / source, folder / file)
    if (folder / "tokenizer.json").exists():
        return TokenizerFolders(name, folder, folder)
    made = target / f"{name}-made"
    made.mkdir(exist_ok=True)
    (made / "tokenizer.json").write_text(load_with_transformers(folder), encoding="utf-8")
    return TokenizerFolders(name, folder, made)


def load_with_transformers(folder):
    os.environ["HF_HUB_OFFLINE"] = "1"
    import transformers
    if (folder / "vocab.txt").exists():  # names its class nowhere
        cased = "uncased" not in folder.name
        (folder / "tokenizer_config.json").write_text('{"do_lower_case": %s}' % ("false" if cased else "true"))
        tokenizer = transformers.BertTokenizerFast(vocab=str(folder / "vocab.txt"), do_lower_case=not cased)
    else:
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder))
    return tokenizer.backend_tokenizer.to_str()
