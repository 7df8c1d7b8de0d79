#!/usr/bin/env python3
"""Makes tests/data/tokenizer/goldens_bpe.json: what the Hugging Face `tokenizers` package answers for byte-pair
tokenizers, small ones trained on our own text (fixture_bpe, fixture_fallback, fixture_clip) and the real ones, and for
the parts that cut texts and join tokens.

  tools/make_bpe_goldens.py [--data ../shared/data]

Where a folder has no tokenizer.json, transformers' slow form is the judge. tests/tokenizer/golden_test.cc reads it.
"""
import argparse
import json
import os
import pathlib
import shutil
import tempfile
import zlib

os.environ["HF_HUB_OFFLINE"] = "1"

import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from make_tokenizer_goldens import HOSTILE, OUT, PAIRS, ROOT, add_real_texts, case, detailed_cases, digest, encode, versions, write

CORPUS = (ROOT / "tests/data/corpus.txt").read_text(encoding="utf-8").splitlines()
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
          r"\s*[\r\n]+|\s+(?!\S)|\s+")
CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
MORE_HOSTILE = [
    "it's IT'S we'LL I'd 'ſ 'S'T x'y ''s".encode(), b"12345 1,234.5 ab12cd3456 \xc2\xbd\xe2\x85\xa7 \xd9\xa1\xd9\xa2\xd9\xa3\xd9\xa4",
    b"a  b   c    d", b"  lead", b"trail  ", b"a\n\nb\r\n\r\n c\n  \n d \t\n", b"if (x) {\n\treturn y;\n}\n",
    "\u180e a\u2003b\u00a0\u00a0c\u3000".encode(), "!?\n\n...—\r\nx".encode(), b"<|endoftext|> a<|endoftext|>b", b" <mask>  <mask>.",
    "▁under▁score ▁▁x".encode(), "unknown ☃ snow ☃☃ and ☃a☃".encode(), b" x" * 300, b"ab" * 200, "é".encode() * 150,
]
TEXTS = [b"Hello,  big world!! 42 7", b"  a-b--c ", b"--", b"don't 123abc", "été 北京。x\u00a0y \u0664\u0665".encode(), b"a\nb\n\nc", b"x"]


def fixture(name, tokenizer):
    path = OUT / name / "tokenizer.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path), pretty=False)
    return Tokenizer.from_file(str(path))


def train_byte_level():
    """Llama 3's kind, with added tokens of every flag."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(LLAMA3), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=700, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<|endoftext|>"], show_progress=False))
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True), AddedToken("<x>", rstrip=True), "<s>"])
    tokenizer.add_tokens([AddedToken("yes", single_word=True), AddedToken("  ", normalized=True), AddedToken("Hello", normalized=False)])
    begin = tokenizer.token_to_id("<s>")
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=True, add_prefix_space=False),
        processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", begin)])])
    spec = json.loads(tokenizer.to_str())
    spec["model"]["ignore_merges"] = True
    return fixture("fixture_bpe", Tokenizer.from_str(json.dumps(spec)))


def train_fallback():
    """Llama 2's kind: sentencepiece's spaces, bytes for what is unknown, but not for all of them."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    some_bytes = [f"<0x{byte:02X}>" for byte in range(256) if byte != 0xF0]
    marked = [text for line in CORPUS for text in ("▁" + line.replace(" ", " ▁")).split(" ")]
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trained.train_from_iterator(marked, trainers.BpeTrainer(
        vocab_size=600, limit_alphabet=80, special_tokens=["<unk>", "<s>", "</s>"] + some_bytes, show_progress=False))
    spec, model = json.loads(tokenizer.to_str()), json.loads(trained.to_str())["model"]
    spec["model"] |= {"vocab": model["vocab"], "merges": [" ".join(pair) for pair in model["merges"]]}  # the older spelling
    tokenizer = Tokenizer.from_str(json.dumps(spec))
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    tokenizer.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))])
    return fixture("fixture_fallback", tokenizer)


def train_clip():
    """A folder with vocab.json and merges.txt, of words with an end."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(CLIP), "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=800, end_of_word_suffix="</w>", initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|startoftext|>", "<|endoftext|>"], show_progress=False))
    folder = OUT / "fixture_clip"
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.model.save(str(folder))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer"}) + "\n")
    return from_folder(transformers.CLIPTokenizer, folder)


def from_folder(tokenizer_class, folder):
    return Tokenizer.from_str(tokenizer_class.from_pretrained(str(folder)).backend_tokenizer.to_str())


def letters(**options):
    """A model of few letters, in which much is unknown."""
    vocab = {"[UNK]": 0, "a": 1, "b": 2, "##a": 3, "##b": 4, "ab": 5, "##ab": 6, "b</w>": 7, "ab</w>": 8, "<0x63>": 9, "c": 10}
    return {"type": "BPE", "unk_token": "[UNK]", "vocab": vocab, "merges": []} | options


def part_tokenizers():
    """{name: tokenizer.json}: of a model that knows no word offsets alone tell how a part cuts."""
    unknown = {"type": "WordLevel", "vocab": {"<unk>": 0, "42": 1, "x": 2}, "unk_token": "<unk>"}
    cuts = {"digits": {"type": "Digits", "individual_digits": False}, "each_digit": {"type": "Digits", "individual_digits": True},
            "delimiter": {"type": "CharDelimiterSplit", "delimiter": "-"}, "fixed": {"type": "FixedLength", "length": 3},
            "spaced_bytes": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            "digits_bytes": {"type": "Sequence", "pretokenizers": [
                {"type": "Digits", "individual_digits": True},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]}}
    for behavior in ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"):
        for invert in (False, True):
            for kind, pattern in (("String", "-"), ("Regex", r"\d+|\s|[^\w\s]")):
                cuts[f"split_{behavior}_{invert}_{kind}"] = {
                    "type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}
    for name, pattern in (("empty", "a*"), ("lines", r"^\S|\s$"), ("word", r"\bb\b|\w+x"), ("ahead", r"\s+(?!\S)|\h+")):
        cuts["regex_" + name] = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    for name, cut in cuts.items():
        yield name, {"version": "1.0", "model": unknown, "pre_tokenizer": cut}
    replaced = {"type": "Replace", "pattern": {"Regex": r"\s+|b|$"}, "content": "_é"}
    yield "replace", {"version": "1.0", "model": unknown, "normalizer": replaced, "pre_tokenizer": {"type": "Punctuation", "behavior": "Isolated"}}
    yield "bytes_normalizer", {"version": "1.0", "model": unknown, "normalizer": {"type": "ByteLevel"}}
    split = {"pre_tokenizer": {"type": "WhitespaceSplit"}}
    merges = [["a", "##b"], ["##a", "##b"]]
    yield "prefix", split | {"version": "1.0", "model": letters(continuing_subword_prefix="##", merges=merges)}
    yield "prefix_fused", split | {"version": "1.0", "model": letters(continuing_subword_prefix="##", merges=merges, fuse_unk=True)}
    yield "suffix", split | {"version": "1.0", "model": letters(end_of_word_suffix="</w>", merges=["a b</w>", "a b"], byte_fallback=True)}
    yield "no_unknown", split | {"version": "1.0", "model": letters(unk_token=None, merges=["a b"]), "decoder": {"type": "BPEDecoder", "suffix": "b"}}


def full(spec):
    """As the package wants it; WDE does without what is null."""
    return {"truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "pre_tokenizer": None,
            "post_processor": None, "decoder": None} | spec


def real_tokenizers(data):
    """(name, folder's description or None, tokenizer)."""
    for name in ("gpt2", "roberta-base", "modernbert", "mistral-v0.1"):
        path = f"tokenizers/{name}/tokenizer.json"
        yield path, None, Tokenizer.from_file(str(data / path))
    merges = {"roberta-base": ["vocab.json", "merges.txt"], "qwen2": ["vocab.json", "merges.txt", "tokenizer_config.json"]}
    roberta = {file: {"data": f"tokenizers/roberta-base/{file}"} for file in merges["roberta-base"]}
    roberta["tokenizer_config.json"] = {"text": json.dumps({"tokenizer_class": "RobertaTokenizer", "add_prefix_space": True})}
    gpt2 = roberta | {"tokenizer_config.json": {"text": "{}"}, "config.json": {"text": json.dumps({"model_type": "gpt2"})}}
    qwen2 = {file: {"data": f"tokenizers/qwen2/{file}"} for file in merges["qwen2"]}
    qwen3 = qwen2 | {file: {"data": f"tokenizers/qwen3/{file}"}
                     for file in ("tokenizer_config.json", "added_tokens.json", "special_tokens_map.json")}
    for name, tokenizer_class, files in (
            ("roberta-folder", transformers.RobertaTokenizer, roberta), ("gpt2-folder", transformers.GPT2Tokenizer, gpt2),
            ("qwen2-folder", transformers.Qwen2Tokenizer, qwen2), ("qwen3-folder", transformers.Qwen2Tokenizer, qwen3)):
        with tempfile.TemporaryDirectory() as folder:
            for file, source in files.items():
                target = pathlib.Path(folder) / file
                target.write_text(source["text"]) if "text" in source else shutil.copyfile(data / source["data"], target)
            yield name, {"name": name, "files": files}, from_folder(tokenizer_class, folder)


def round_trip(tokenizer, texts):
    """CRC-32 over what the ids of each text read as, with special tokens and without, a zero byte behind each."""
    crc = 0
    for text in texts:
        ids = encode(tokenizer, text.encode()).ids
        for skip in (False, True):
            crc = zlib.crc32(tokenizer.decode(ids, skip).encode() + b"\0", crc)
    return {"texts": "hostile", "crc32": crc}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, default=ROOT / "../shared/data")
    data = parser.parse_args().data
    hostile = [text.decode("utf-8", errors="replace") for text in HOSTILE + MORE_HOSTILE]
    goldens = {"made_by": "tools/make_bpe_goldens.py", "versions": versions(), "folders": [], "cases": [], "decodings": [],
               "texts": [{"name": "hostile", "texts": [text.encode().hex() for text in hostile]}], "files": [], "round_trips": []}
    for name, tokenizer in (("fixture_bpe", train_byte_level()), ("fixture_fallback", train_fallback()), ("fixture_clip", train_clip())):
        # A pair's four special tokens leave CLIP no room in the shortest limits.
        goldens["cases"] += detailed_cases(name, tokenizer, thorough=name != "fixture_clip")
        goldens["cases"] += [case(name, tokenizer, text) for text in MORE_HOSTILE]
        goldens["round_trips"].append({"tokenizer": name, **round_trip(tokenizer, hostile)})
    for name, spec in part_tokenizers():
        goldens["folders"].append({"name": name, "files": {"tokenizer.json": {"text": json.dumps(spec)}}})
        tokenizer = Tokenizer.from_str(json.dumps(full(spec)))
        texts = [b"ab ba cab bb b", b"zab z ab zz", "aéb ☃☃ c☃c cb".encode()] if "WordLevel" not in str(spec) else TEXTS
        goldens["cases"] += [case(name, tokenizer, text) for text in texts]
        if "decoder" in spec:
            goldens["decodings"] += [{"tokenizer": name, "ids": ids, "skip_special": False, "text": tokenizer.decode(ids, False)}
                                     for ids in ([5, 2, 1], [2], [0, 4])]
    for name, description, tokenizer in real_tokenizers(data):
        if description:
            goldens["folders"].append(description)
        goldens["cases"] += [case(name, tokenizer, text, pair) for text, pair in PAIRS[:6]]
        goldens["files"].append({"tokenizer": name, "file": "hostile", **digest(tokenizer, hostile)})
        add_real_texts(goldens, name, tokenizer, data)
        goldens["round_trips"].append({"tokenizer": name, **round_trip(tokenizer, hostile)})
    write(goldens, OUT / "goldens_bpe.json")


if __name__ == "__main__":
    main()
