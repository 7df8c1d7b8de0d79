"""What the real model is asked: our own texts in full, and texts of the real data by reference only.

A reference names a file under the data folder and where in it the text stands:
    {"file": "text/stsb/….csv", "row": 12, "column": 1}       rows without quotes only: split at the commas
    {"file": "….json", "article": 3, "paragraph": 0, "field": "context"}
    {"file": "….json", "article": 3, "paragraph": 0, "field": "question", "index": 2}
(SQuAD's layout: data[article].paragraphs[paragraph].context, .qas[index].question).
"""

import base64
import json

import numpy as np

import golden_texts

LANGUAGES = ("en", "de", "es", "ru", "zh")


def stsb_references(data):
    file = "text/stsb/stsb-en-test.csv"
    rows = (data / file).read_text(encoding="utf-8").split("\n")
    for row in range(0, len(rows), 67):
        if '"' not in rows[row] and rows[row].count(",") == 2:
            for column in (0, 1):
                yield {"file": file, "row": row, "column": column}, rows[row].split(",")[column]


def squad_references(data, file, articles, fields):
    document = json.loads((data / file).read_text(encoding="utf-8"))["data"]
    for article in articles:
        paragraph = document[article]["paragraphs"][0]
        base = {"file": file, "article": article, "paragraph": 0}
        if "context" in fields:
            yield base | {"field": "context"}, paragraph["context"]
        if "question" in fields:
            yield base | {"field": "question", "index": 1}, paragraph["qas"][1]["question"]


def references(data):
    yield from stsb_references(data)
    for language in LANGUAGES:
        yield from squad_references(data, f"text/xquad/xquad.{language}.json", (0, 13, 31),
                                    ("context", "question"))
    yield from squad_references(data, "text/long/covidQA_200423.json", (0, 40), ("context",))


def own_texts():
    lengths = (1, 2, 3, 7, 15, 16, 17, 31, 33, 63, 65, 127, 129, 250, 400)
    return (golden_texts.HOSTILE + golden_texts.corpus()[::2]
            + [golden_texts.long_text(count) for count in lengths])


def case(head, answer):
    vector = np.asarray(answer["embedding"], dtype="<f4")
    return head | {"tokens": len(answer["ids"]), "embedding_base64": base64.b64encode(vector).decode()}


def cases(data, answer):
    """Each case: the text or its reference, its tokens after truncation, the fp32 vector."""
    return ([case(golden_texts.field("text", text), answer(golden_texts.decode(text))) for text in own_texts()]
            + [case({"reference": where}, answer(text)) for where, text in references(data)])
