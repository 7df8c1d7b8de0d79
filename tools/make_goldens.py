#!/usr/bin/env python3
"""Makes tests/data/models (tiny random models) and tests/data/goldens (what sentence-transformers and
transformers answer with them, in fp32, one text at a time). tests/data/README.md describes the files.

    tools/venv.sh goldens
    build/venv/bin/python tools/make_goldens.py                  # tiny models and their goldens
    build/venv/bin/python tools/make_goldens.py roberta albert   # only these
    build/venv/bin/python tools/make_goldens.py --losses         # only what bf16 and int8 cost torch with them
    build/venv/bin/python tools/make_goldens.py --minilm FOLDER --data FOLDER   # the real model's

The weights come from numpy's seeded generator, so a second run writes the same models. Nothing here is
trained: norms and biases vary as much as weights do, so that a missing, swapped or transposed tensor shows.
"""

import argparse
import json
import os
import pathlib
import platform
import shutil
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import sentence_transformers
import tokenizers
import torch
import transformers

import golden_decoders
import golden_encoders
import golden_hub
import golden_low_precision
import golden_minilm
import golden_models
import golden_rotary
import golden_texts

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATA = ROOT / "tests" / "data"
# Each has SPECS, write_model, check_loaded, texts_for, pairs_for and options_for.
KINDS = (golden_models, golden_encoders, golden_rotary, golden_decoders, golden_hub)


def versions():
    return {
        "script": "tools/make_goldens.py",
        "python": platform.python_version(),
        "torch": torch.__version__.split("+")[0],
        "transformers": transformers.__version__,
        "sentence_transformers": sentence_transformers.__version__,
        "tokenizers": tokenizers.__version__,
        "numpy": np.__version__,
    }


class Oracle:
    """One model as sentence-transformers loads it, on the CPU."""

    def __init__(self, folder, dtype=torch.float32):
        self.st = sentence_transformers.SentenceTransformer(
            str(folder), device="cpu", model_kwargs={"dtype": dtype})
        self.model = self.st[0].auto_model
        self.tokenizer = self.st.tokenizer
        self.dimension = self.st.get_embedding_dimension()
        self.max_length = self.st.max_seq_length
        file = next(pathlib.Path(folder).rglob("tokenizer.json"), None)
        self.rust = tokenizers.Tokenizer.from_file(str(file)) if file is not None else None
        if self.rust is not None:
            self.rust.no_truncation()
            self.rust.no_padding()

    def use_adapter(self, name):
        if hasattr(self.model, "use_adapter"):  # golden_hub's models with adapters
            self.model.use_adapter(name)

    def features(self, text, pair, options):
        prompt = options.get("prompt")
        if prompt is None:
            name = options.get("prompt_name", self.st.default_prompt_name)
            prompt = self.st.prompts.get(name) if name is not None else None
        if prompt:
            text = prompt + text
        self.tokenizer.truncation_side = options.get("truncation_side", "right")
        limit = min(self.st.max_seq_length, options.get("max_length", self.st.max_seq_length))
        # As lists, since transformers reads an empty second text as none where it is not in a list.
        features = self.tokenizer([text], None if pair is None else [pair], truncation="longest_first",
                                  max_length=limit, return_tensors="pt")
        features = dict(features)
        self.check_against_tokenizer_json(text, pair, features["input_ids"][0].tolist(), limit)
        if prompt:
            features["prompt_length"] = self.st[0]._get_prompt_length(prompt)
        return features

    @torch.inference_mode()
    def answer(self, text, pair, options, check=True):
        """ids, type_ids, hidden [T, C], embedding [D]; the embedding by the model's own modules. `check`s it against
        the public API."""
        self.use_adapter(options.get("adapter"))
        features = self.features(text, pair, options)
        inputs = {name: value for name, value in features.items() if name != "prompt_length"}
        ids = features["input_ids"][0].tolist()
        types = features.get("token_type_ids")  # not where the model has none
        answer = {
            "ids": ids,
            "type_ids": [0] * len(ids) if types is None else types[0].tolist(),
            "hidden": self.model(**inputs).last_hidden_state[0].float().numpy(),
        }
        embedding = self.st(features)["sentence_embedding"][0]
        if "dimensions" in options:
            embedding = embedding[: options["dimensions"]]
            if any(isinstance(module, sentence_transformers.models.Normalize) for module in self.st):
                embedding = torch.nn.functional.normalize(embedding, dim=0)
        answer["embedding"] = embedding.float().numpy()
        if check and pair is None and not options.keys() & {"truncation_side", "max_length"}:
            self.check_against_encode(text, options, answer["embedding"])
        return answer

    def check_against_tokenizer_json(self, text, pair, ids, limit):
        """transformers rebuilds BERT's tokenizer from its vocabulary: it must still be what the file says."""
        if self.rust is None:
            return
        expected = self.rust.encode(text, pair).ids
        if len(expected) <= limit and expected != ids:
            raise SystemExit(f"tokenizer.json disagrees on {text!r}: {expected} {ids}")

    def check_against_encode(self, text, options, embedding):
        """The public API must say what the parts said."""
        public = self.st.encode(text, prompt=options.get("prompt"), prompt_name=options.get("prompt_name"),
                                truncate_dim=options.get("dimensions"), show_progress_bar=False)
        if "dimensions" in options and any(
                isinstance(module, sentence_transformers.models.Normalize) for module in self.st):
            public = public / max(np.linalg.norm(public), 1e-12)
        if not np.allclose(public, embedding, rtol=0, atol=1e-6):
            raise SystemExit(f"{self.st}: encode() disagrees on {text!r} {options}")


def numbers(array):
    """fp32 as the shortest decimals that read back as the same bits."""
    return [float(str(x)) for x in np.asarray(array, dtype=np.float32)]


def golden_case(oracle, text, pair=None, options=None, with_hidden=None):
    options = options or {}
    answer = oracle.answer(golden_texts.decode(text), None if pair is None else golden_texts.decode(pair),
                           options)
    case = golden_texts.field("text", text)
    if pair is not None:
        case |= golden_texts.field("pair", pair)
    if options:
        case["options"] = options
    case |= {"ids": answer["ids"], "type_ids": answer["type_ids"], "embedding": numbers(answer["embedding"])}
    if with_hidden:
        case["hidden"] = [numbers(row) for row in answer["hidden"]]
    return case


def write_golden(path, document):
    """One case a line: a changed case is one line of a diff."""
    head = {key: value for key, value in document.items() if key != "cases"}
    lines = [json.dumps(head, ensure_ascii=False, indent=1)[:-2] + ',\n "cases": [']
    lines.append(",\n".join(json.dumps(case, ensure_ascii=False, separators=(",", ":"))
                            for case in document["cases"]))
    path.write_text("\n".join(lines) + "\n]}\n", encoding="utf-8")


def make_oracle(kind, spec, folder, dtype=torch.float32):
    return (kind.make_oracle(spec, folder, dtype) if kind is golden_encoders else None) or Oracle(folder, dtype)


def losses(kind, spec, folder, cases):
    return golden_low_precision.cosines(cases, lambda dtype: make_oracle(kind, spec, folder, dtype))


def tiny_golden(kind, spec, folder):
    oracle = make_oracle(kind, spec, folder)
    kind.check_loaded(spec, oracle.model)
    cases = []
    for index, text in enumerate(kind.texts_for(spec)):
        cases.append(golden_case(oracle, text, with_hidden=index < 3))
    for first, second in kind.pairs_for(spec):
        cases.append(golden_case(oracle, first, pair=second, with_hidden=first == "a"))
    for text, options in kind.options_for(spec):
        cases.append(golden_case(oracle, text, options=options))
    return {
        "made_by": versions(),
        "about": spec.about,
        "model": f"models/{spec.name}",
        "dimension": oracle.dimension,
        "max_length": oracle.max_length,
    } | losses(kind, spec, folder, cases) | {
        "cases": cases,
    }


def make_tiny(names):
    """Of these names, or of every model."""
    (DATA / "goldens").mkdir(parents=True, exist_ok=True)
    if not names:
        shutil.rmtree(DATA / "models", ignore_errors=True)
    for kind in KINDS:
        for spec in kind.SPECS:
            if names and spec.name not in names:
                continue
            folder = DATA / "models" / spec.name
            shutil.rmtree(folder, ignore_errors=True)
            kind.write_model(spec, folder)
            document = tiny_golden(kind, spec, folder)
            write_golden(DATA / "goldens" / f"{spec.name}.json", document)
            print(f"{spec.name}: {len(document['cases'])} cases", file=sys.stderr)


def update_losses(names):
    """Of these names, or of every model; nothing else in their goldens changes."""
    for kind in KINDS:
        for spec in kind.SPECS:
            if names and spec.name not in names:
                continue
            path = DATA / "goldens" / f"{spec.name}.json"
            document = json.loads(path.read_text(encoding="utf-8"))
            cases = document.pop("cases")
            document |= losses(kind, spec, DATA / "models" / spec.name, cases)
            write_golden(path, document | {"cases": cases})
            print(f"{spec.name}: {document['bf16_cosine']} {document['int8_cosine']}", file=sys.stderr)


def make_minilm(model, data):
    oracle = Oracle(model)
    cases = golden_minilm.cases(pathlib.Path(data), lambda text: oracle.answer(text, None, {}))
    write_golden(DATA / "goldens" / "minilm.json", {
        "made_by": versions(),
        "about": "the real all-MiniLM-L6-v2",
        "model": "sentence-transformers/all-MiniLM-L6-v2",
        "dimension": oracle.dimension,
        "max_length": oracle.max_length,
        "cases": cases,
    })
    print(f"minilm: {len(cases)} cases", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--minilm", metavar="FOLDER", help="make only the real model's goldens")
    parser.add_argument("--data", metavar="FOLDER", help="the real texts (with --minilm)")
    parser.add_argument("--losses", action="store_true", help="only what bf16 and int8 cost torch")
    parser.add_argument("names", nargs="*", metavar="NAME", help="make only these tiny models")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    if arguments.minilm:
        if not arguments.data:
            parser.error("--minilm needs --data")
        make_minilm(arguments.minilm, arguments.data)
    elif arguments.losses:
        update_losses(arguments.names)
    else:
        make_tiny(arguments.names)


if __name__ == "__main__":
    main()
