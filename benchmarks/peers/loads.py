"""What is embedded: the texts of each load, with their lengths in tokens."""

import csv
import dataclasses
import functools
import json
import pathlib

BATCH = 32
FORWARD_TOKENS = 128
LIMIT = 512  # tokens of a text, of every model here

# Texts of a load by the model's size, so that a pass takes a second or more and a run stays bearable.
TEXTS = {
    "short": {"small": 512, "base": 256, "large": 64},
    "passages": {"small": 240, "base": 96, "large": 32},
    "long": {"small": 64, "base": 32, "large": 16},
    "query": {"small": 200, "base": 100, "large": 50},
    "forward": {"small": BATCH, "base": BATCH, "large": BATCH},  # always
}
TITLES = {
    "short": "STS-B sentences",
    "passages": "XQuAD paragraphs",
    "long": "COVID-QA documents split at 512 tokens",
    "query": "one STS-B sentence at a time",
    "forward": f"forward alone, {BATCH} x {FORWARD_TOKENS} tokens",
}


@dataclasses.dataclass
class Load:
    name: str
    texts: list
    lengths: list  # in tokens, special ones included

    @property
    def kind(self):
        return self.name if self.name in ("query", "forward") else "bulk"

    @property
    def tokens(self):
        return sum(self.lengths)


def make_load(name, tokenizer, data, count):
    texts = CORPORA[name](pathlib.Path(data), tokenizer)
    texts = [texts[i * len(texts) // count] for i in range(count)] if count < len(texts) and name != "forward" else texts
    lengths = [min(len(ids), LIMIT) for ids in token_ids(tokenizer, texts)]
    return Load(name, texts, lengths)


def token_ids(tokenizer, texts):
    return [encoding.ids for encoding in tokenizer.encode_batch_fast(texts)]


def sentences(data, _):
    with open(data / "stsb" / "stsb-en-test.csv", encoding="utf-8", newline="") as file:
        return unique(text for row in csv.reader(file) for text in row[:2])


def paragraphs(data, _, language="en"):
    documents = json.loads((data / "xquad" / f"xquad.{language}.json").read_text(encoding="utf-8"))["data"]
    return unique(paragraph["context"] for document in documents for paragraph in document["paragraphs"])


def split_documents(data, tokenizer):
    documents = json.loads((data / "long" / "covidQA_200423.json").read_text(encoding="utf-8"))["data"]
    pieces = []
    for document in documents:
        for paragraph in document["paragraphs"]:
            text = one_line(paragraph["context"])
            spans = [span for span in tokenizer.encode(text, add_special_tokens=False).offsets]
            room = LIMIT - 2  # [CLS] and [SEP]
            pieces += [text[spans[start][0]:spans[min(start + room, len(spans)) - 1][1]]
                       for start in range(0, len(spans), room)]
    return unique(pieces)


def equal_texts(_, tokenizer):
    """Of exactly FORWARD_TOKENS tokens: words that are a token each, and [CLS] and [SEP]."""
    words = "the river and a bridge of old stone in winter light near our small town by water".split()
    texts = [" ".join(words[(start + i) % len(words)] for i in range(FORWARD_TOKENS - 2)) for start in range(BATCH)]
    if any(len(ids) != FORWARD_TOKENS for ids in token_ids(tokenizer, texts)):
        raise SystemExit(f"the texts of the forward load are not {FORWARD_TOKENS} tokens with this tokenizer")
    return texts


def one_line(text):
    return " ".join(text.split())


def unique(texts):
    return [text for text in dict.fromkeys(map(one_line, texts)) if text]


CORPORA = {"short": sentences, "passages": paragraphs, "long": split_documents, "query": sentences,
           "forward": equal_texts, "passages-de": functools.partial(paragraphs, language="de"),
           "passages-zh": functools.partial(paragraphs, language="zh")}
