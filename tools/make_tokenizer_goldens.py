#!/usr/bin/env python3
"""Makes tests/data/tokenizer/: a small tokenizer trained on our own sentences, and what the Hugging Face
`tokenizers` package answers for it and for real tokenizers over real texts.

  tools/make_tokenizer_goldens.py [--data ../shared/data]

Real tokenizers and texts are not copied: for them goldens.json holds one CRC-32 a file over every token of every
text (see `digest`), which tests/tokenizer/golden_test.cc computes again.
"""
import argparse
import csv
import json
import pathlib
import platform
import struct
import zlib

import tokenizers
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "tests/data/tokenizer"

SENTENCES = """
The quick brown fox jumps over the lazy dog, and the dog does not mind at all.
An engine reads its whole input once and answers without generating a token.
Every accepted request is answered exactly once; nothing is dropped in silence.
What does it cost to embed a million short texts, and how long does it take?
Naïve café owners sold jalapeño crêpes to Zoë, who paid €12.50 (not $13!).
Der Zug nach München fährt um 7:45 Uhr ab, größere Koffer müssen draußen bleiben.
El niño comió una manzana y salió corriendo hacia la montaña.
Быстрая лисица перепрыгнула через ленивую собаку и убежала в лес.
北京是中国的首都。机器学习模型把文本变成向量。
Tokens, words and sentences: embedding, embeddings, embedded; tokenizer, tokenizers, tokenized.
""".strip().split("\n")

# As bytes: what a client may send. Each stands for a way to go wrong.
HOSTILE = [
    b"", b" ", b" \t\r\n ", b"a", b"hello", b"Hello, World!", b"the quick brown fox",
    b"[CLS] [SEP] [MASK] [PAD] [UNK]", b"a[MASK]b", b"a [MASK] b", b"[mask]", b"[CLS", b"[[CLS]]", b"[SEP][SEP]",
    b"<s></s><mask> <mask>  <mask> <pad><unk> a<mask>b", b"   <mask>",
    b"\xff", b"a\xffb", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80",
    b"ok \xe2\x28\xa1 ok", b"\x80\x80\x80tail",
    b"nul\x00in\x00side", b"bell\x07 esc\x1b del\x7f", b"line\r\nbreak\x0bvt\x0cff\x85", "nel\u0085ls\u2028ps\u2029".encode(),
    "zero\u200bwidth\u200djoiner\ufeffbom".encode(), "soft\u00adhyphen".encode(), "nbsp\u00a0ideo\u3000space".encode(),
    "private\ue000use\U000e0001tag".encode(), "\ufffd replaced".encode(),
    "北京abc 中文。".encode(), "日本語のテキスト カタカナ ﾊﾝｶｸ".encode(), "한국어 텍스트".encode(), "豈\U0002f800\U00020000\U0002b820".encode(),
    "café cafe\u0301 CAFÉ".encode(), "Ångström \u212b A\u030a".encode(), "a\u0301\u0316\u0327b".encode(), "\u0301lead".encode(),
    "a\u0344\u302eb \u1b44 \U0001d165x\U0001d15e".encode(), "İstanbul ISTANBUL ıi ẞß ΣΑΣ ς".encode(), "ﬁ ﬂ ① Ⅷ ½ ﷺ".encode(),
    "हिन्दी ไทย العربية עִבְרִית".encode(), "😀👩‍👩‍👧🇩🇪".encode(), "e\u0301" .encode() * 20,
    b"a" * 99, b"a" * 100, b"a" * 101, b"x " + b"b" * 300 + b" y", "é".encode() * 100, "é".encode() * 101,
    b"don't can't I'm we've they're it's do not", b"a.b,c!d?e:f;g'h\"i", b"$100 + 50% = ~<|>^`", "«quoted» “text” … – —".encode(),
    b"##ing ## #", b"tokenizers embeddings", b"yes no YES No noyes yes-no", b"hello   hello", b"<x>  <x>hello<X>", b"  <y>  a",
]
PAIRS = [(b"the quick brown fox", b"jumps over the lazy dog"), (b"", b"a"), (b"a", b""), (b"", b""),
         (b"[SEP]", b"[CLS]"), (b"one two three four five six seven", b"eight"), (b"one", b"two three four five six seven"),
         ("北京 \u0301é".encode(), b"\xff the [MASK]")]


def train_fixture():
    """A WordPiece tokenizer of some hundred tokens, with added tokens of every kind."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(SENTENCES, trainers.WordPieceTrainer(
        vocab_size=400, special_tokens=special, show_progress=False))
    vocab_txt(tokenizer)  # without what is added below
    tokenizer.add_special_tokens([AddedToken("<x>", rstrip=True), AddedToken("<y>", lstrip=True, rstrip=True)])
    tokenizer.add_tokens([AddedToken("yes", single_word=True), AddedToken("Hello", normalized=True),
                          AddedToken("No", normalized=False)])
    cls, sep = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", cls), ("[SEP]", sep)])
    path = OUT / "fixture/tokenizer.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path), pretty=False)


def vocab_txt(tokenizer):
    folder = OUT / "fixture_vocab"
    folder.mkdir(parents=True, exist_ok=True)
    vocab = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    (folder / "vocab.txt").write_text("".join(token + "\n" for token, _ in vocab), encoding="utf-8")
    config = {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "strip_accents": True,
              "tokenize_chinese_chars": False, "model_max_length": 512}
    (folder / "tokenizer_config.json").write_text(json.dumps(config) + "\n")
    special = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]",
               "mask_token": {"content": "[MASK]", "lstrip": True, "rstrip": False, "single_word": False, "normalized": False}}
    (folder / "special_tokens_map.json").write_text(json.dumps(special) + "\n")


def encode(tokenizer, text, pair=None, max_length=0, left=False, special=True):
    if max_length:
        tokenizer.enable_truncation(max_length, strategy="longest_first", direction="left" if left else "right")
    else:
        tokenizer.no_truncation()
    tokenizer.no_padding()
    decode = lambda b: b.decode("utf-8", errors="replace")
    return tokenizer.encode(decode(text), None if pair is None else decode(pair), add_special_tokens=special)


def digest(tokenizer, texts, **options):
    """CRC-32 over, for each text, the number of tokens, then id, begin, end, special of each, as 32 bits."""
    crc, tokens = 0, 0
    for text in texts:
        pair = None
        if isinstance(text, tuple):
            text, pair = text
        e = encode(tokenizer, text.encode(), None if pair is None else pair.encode(), **options)
        words = [len(e.ids)]
        for i, (begin, end), special in zip(e.ids, e.offsets, e.special_tokens_mask):
            words += [i, begin, end, special]
        crc = zlib.crc32(struct.pack(f"<{len(words)}I", *words), crc)
        tokens += len(e.ids)
    return {"texts": len(texts), "tokens": tokens, "crc32": crc}


def case(name, tokenizer, text, pair=None, **options):
    e = encode(tokenizer, text, pair, **options)
    result = {"tokenizer": name, "text": text.hex(), "ids": e.ids, "offsets": sum(([b, c] for b, c in e.offsets), []),
              "special": e.special_tokens_mask, "types": e.type_ids, "truncated": bool(e.overflowing)}
    if pair is not None:
        result["pair"] = pair.hex()
    if options:
        result["options"] = options
    return result


def detailed_cases(name, tokenizer, thorough):
    for text in HOSTILE:
        yield case(name, tokenizer, text)
    if not thorough:
        return
    for text, pair in PAIRS:
        yield case(name, tokenizer, text, pair)
        for max_length in (3, 4, 6, 7):
            yield case(name, tokenizer, text, pair, max_length=max_length)
        yield case(name, tokenizer, text, pair, max_length=5, left=True)
        yield case(name, tokenizer, text, pair, max_length=5, special=False)
    for text in (b"the quick brown fox jumps", b"tokenizers [MASK] embeddings"):
        for max_length in (2, 3, 5, 30):
            for left in (False, True):
                yield case(name, tokenizer, text, max_length=max_length, left=left)


def decodings(name, tokenizer):
    for text in HOSTILE:
        ids = encode(tokenizer, text).ids
        for skip in (False, True):
            yield {"tokenizer": name, "ids": ids, "skip_special": skip, "text": tokenizer.decode(ids, skip)}


def real_texts(data):
    for language in ("en", "de", "es", "ru", "zh"):
        name = f"text/xquad/xquad.{language}.json"
        texts = []
        for article in json.loads((data / name).read_text())["data"]:
            for paragraph in article["paragraphs"]:
                texts += [paragraph["context"]] + [qa["question"] for qa in paragraph["qas"]]
        yield name, texts
    for name in ("text/stsb/stsb-en-test.csv", "text/stsb/stsb-en-dev.csv", "text/stsb/stsb-de-dev.csv"):
        with open(data / name, newline="", encoding="utf-8") as file:
            yield name, [(row[0], row[1]) for row in csv.reader(file)]


def real_tokenizers(data):
    folder = data / "tokenizers"
    for name in ("bert-base-uncased/tokenizer.bge-style.json", "bert-base-uncased/tokenizer.all-MiniLM-L6-v2.json",
                 "bert-base-cased/tokenizer.json", "bert-base-multilingual-uncased/tokenizer.json", "mpnet/tokenizer.json"):
        yield f"tokenizers/{name}", Tokenizer.from_file(str(folder / name))
    for name, lower in (("bert-base-uncased", True), ("bert-base-multilingual-cased", False)):
        fast = transformers.BertTokenizerFast(vocab=str(folder / name / "vocab.txt"), do_lower_case=lower)
        yield f"tokenizers/{name}/vocab.txt", fast.backend_tokenizer


def versions(*more):
    return {"python": platform.python_version(), "tokenizers": tokenizers.__version__,
            "transformers": transformers.__version__} | {module.__name__: module.__version__ for module in more}


def add_real_texts(goldens, name, tokenizer, data):
    for file, texts in real_texts(data):
        goldens["files"].append({"tokenizer": name, "file": file, **digest(tokenizer, texts)})
        options = {"max_length": 24, "left": file.endswith("de-dev.csv")}
        goldens["files"].append({"tokenizer": name, "file": file, "options": options, **digest(tokenizer, texts, **options)})


def write(goldens, path):
    lines = []
    for key, value in goldens.items():
        if isinstance(value, list):
            rows = ",\n".join(json.dumps(row, ensure_ascii=True, separators=(",", ":")) for row in value)
            lines.append(f"{json.dumps(key)}:[\n{rows}]")
        else:
            lines.append(f"{json.dumps(key)}:{json.dumps(value)}")
    path.write_text("{" + ",\n".join(lines) + "}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, default=ROOT / "../shared/data")
    data = parser.parse_args().data
    train_fixture()
    goldens = {"made_by": "tools/make_tokenizer_goldens.py", "versions": versions(),
               "cases": [], "decodings": [], "files": []}
    fixture = Tokenizer.from_file(str(OUT / "fixture/tokenizer.json"))
    from_vocab = transformers.AutoTokenizer.from_pretrained(str(OUT / "fixture_vocab")).backend_tokenizer
    for name, tokenizer in (("fixture", fixture), ("fixture_vocab", from_vocab)):
        goldens["cases"] += detailed_cases(name, tokenizer, thorough=True)
        goldens["decodings"] += decodings(name, tokenizer)
    for name, tokenizer in real_tokenizers(data):
        goldens["cases"] += detailed_cases(name, tokenizer, thorough=False)
        add_real_texts(goldens, name, tokenizer, data)
    write(goldens, OUT / "goldens.json")


if __name__ == "__main__":
    main()
