"""What is embedded: the texts of each load, with their lengths in tokens."""

import csv
import dataclasses
import functools
import json
import pathlib
import random

BATCH = 32
FORWARD_TOKENS = 128
PREFIX_TOKENS, DOCUMENT_TOKENS = 100, 50
LIMIT = 512  # tokens of a text, of every model here

# Texts of a load by the model's size, so that a pass takes a second or more and a run stays bearable.
TEXTS = {
    "short": {"small": 512, "base": 256, "large": 64, "0.6b": 64, "7b": 16},
    "passages": {"small": 240, "base": 96, "large": 32, "0.6b": 16, "7b": 8},
    "long": {"small": 64, "base": 32, "large": 16, "0.6b": 8, "7b": 2},
    "query": {"small": 200, "base": 100, "large": 50, "0.6b": 20, "7b": 10},
    "forward": {"small": BATCH, "base": BATCH, "large": BATCH, "0.6b": BATCH, "7b": BATCH},  # always
    "prefill": {"small": 64, "base": 32, "large": 16, "0.6b": 8, "7b": 2},
    "shared-prefix": {"0.6b": 64, "7b": 32},
}
TITLES = {
    "short": "STS-B sentences",
    "passages": "XQuAD paragraphs",
    "long": "COVID-QA documents split at 512 tokens",
    "query": "one STS-B sentence at a time",
    "forward": f"forward alone, {BATCH} x {FORWARD_TOKENS} tokens",
    "prefill": f"forward alone of texts of {LIMIT} tokens",
    "shared-prefix": f"an instruction of {PREFIX_TOKENS} tokens, then {DOCUMENT_TOKENS} of each text's own",
}


@dataclasses.dataclass
class Load:
    name: str
    texts: list
    lengths: list  # in tokens, special ones included

    @property
    def kind(self):
        """How it is run: "query" one by one, "forward" from token ids, "bulk" from texts."""
        return {"query": "query", "forward": "forward", "prefill": "forward"}.get(self.name, "bulk")

    @property
    def tokens(self):
        return sum(self.lengths)


def make_load(name, tokenizer, data, count):
    texts = CORPORA[name](pathlib.Path(data), tokenizer)
    if count < len(texts) and name != "forward":
        texts = [texts[i * len(texts) // count] for i in range(count)]
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


# Words that are a token each.
WORDS = "the river and a bridge of old stone in winter light near our small town by water".split()


def equal_texts(_, tokenizer, count=BATCH, tokens=FORWARD_TOKENS):
    """Of exactly `tokens` tokens, [CLS] and [SEP] among them; no two begin alike, but for a few words."""
    choice = random.Random(1)
    return checked_lengths([" ".join(choice.choices(WORDS, k=tokens - 2)) for _ in range(count)], tokenizer, tokens)


def instructed_texts(_, tokenizer, count=max(TEXTS["shared-prefix"].values())):
    """The first PREFIX_TOKENS tokens of all are the same, [CLS] among them."""
    choice = random.Random(1)
    instruction = choice.choices(WORDS, k=PREFIX_TOKENS - 1)
    texts = [" ".join(instruction + choice.choices(WORDS, k=DOCUMENT_TOKENS - 1)) for _ in range(count)]
    return checked_lengths(texts, tokenizer, PREFIX_TOKENS + DOCUMENT_TOKENS)


def checked_lengths(texts, tokenizer, tokens):
    if any(len(ids) != tokens for ids in token_ids(tokenizer, texts)):
        raise SystemExit(f"texts made to be {tokens} tokens long are not so with this tokenizer")
    return texts


def one_line(text):
    return " ".join(text.split())


def unique(texts):
    return [text for text in dict.fromkeys(map(one_line, texts)) if text]


CORPORA = {"short": sentences, "passages": paragraphs, "long": split_documents, "query": sentences,
           "forward": equal_texts, "prefill": functools.partial(equal_texts, count=64, tokens=LIMIT),
           "shared-prefix": instructed_texts, "passages-de": functools.partial(paragraphs, language="de"),
           "passages-zh": functools.partial(paragraphs, language="zh")}
