#!/usr/bin/env python3
"""Makes tests/data/task_models (tiny random models with heads) and tests/data/task_goldens (what transformers and
sentence-transformers answer with them, in fp32, one input at a time). tests/data/README.md describes the files.

    build/venv/bin/python tools/golden_tasks.py            # all of them
    build/venv/bin/python tools/golden_tasks.py NAME …     # some

The weights come from numpy's seeded generator, so a second run writes the same models.
"""

import json
import os
import pathlib
import shutil
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import safetensors.torch
import sentence_transformers
import tokenizers
import torch
import transformers

import golden_encoders
import golden_hub_heads
import golden_models
import golden_texts
import make_goldens
from golden_task_specs import ENTITIES, SPECS

DATA = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data"
AGGREGATIONS = ("none", "simple", "first", "average", "max")


def make_config(spec, vocab):
    config = spec.encoder.config | {"vocab_size": vocab, "pad_token_id": spec.encoder.pad_id}
    if spec.task == "classify-tokens":
        config |= {"id2label": dict(enumerate(ENTITIES)), "label2id": {l: i for i, l in enumerate(ENTITIES)}}
    return spec.model_class.config_class(**config)


def randomize(model, seed):
    """Norms and biases vary as much as weights do, so that a missing, swapped or transposed tensor shows."""
    random = np.random.default_rng(seed)
    norms = 0.0 if model.config.model_type.startswith("gemma") else 1.0  # Gemma's add 1 to their weights
    for name, parameter in sorted(model.named_parameters()):
        shape = tuple(parameter.shape)
        is_norm = ("norm" in name.lower() or "_ln." in name) and len(shape) == 1
        if len(shape) > 1:
            std = 1.0 if "embeddings" in name else 1.3 / shape[-1] ** 0.5
            value = random.normal(0.0, std, shape)
        elif is_norm and name.endswith("weight"):
            value = random.normal(norms, 0.3, shape)
        else:
            value = random.normal(0.0, 0.4, shape)
        parameter.data = torch.from_numpy(value.astype(np.float32))
    model.tie_weights()
    return model.eval()


def write_fixture_tokenizer(spec, folder):
    shutil.copyfile(DATA / "tokenizer" / spec.tokenizer / "tokenizer.json", folder / "tokenizer.json")
    (folder / "tokenizer.json").chmod(0o644)
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    golden_models.write_json(folder / "tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": spec.encoder.max_length,
        "model_input_names": ["input_ids", "attention_mask"]})
    return tokenizer.get_vocab_size()


def write_tokenizer(spec, folder):
    if spec.tokenizer:
        return write_fixture_tokenizer(spec, folder)
    golden_encoders.write_tokenizer(spec.encoder, folder)
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_special_tokens(list(spec.markers))
    (folder / "tokenizer.json").write_text(tokenizer.to_str(pretty=False), encoding="utf-8")
    if spec.task == "hybrid":  # XLM-RoBERTa's </s>, which bge-m3 leaves out of sparse vectors
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        golden_models.write_json(folder / "tokenizer_config.json", config | {"eos_token": "[SEP]"})
    return tokenizer.get_vocab_size()


def dense_tensors(config, normal):
    """Those that a Dense of this config has."""
    shape = config["out_features"], config["in_features"]
    tensors = {"linear.weight": normal(*shape)}
    if config["bias"]:
        tensors["linear.bias"] = normal(shape[0])
    if config.get("use_residual") and shape[0] != shape[1]:
        tensors["residual.weight"] = normal(*shape)
    return tensors


def write_linear(spec, folder):
    """The projections of a multi-vector model, and bge-m3's two linear layers in torch's own files."""
    random = np.random.default_rng(spec.encoder.seed + 1000)

    def normal(*shape):
        return torch.from_numpy(random.normal(0.0, 0.3, shape).astype(np.float32))

    if spec.task == "hybrid":
        for name, outputs in (("sparse_linear.pt", 1), ("colbert_linear.pt", 32)):
            torch.save({"weight": normal(outputs, spec.encoder.hidden), "bias": normal(outputs)}, folder / name)
    for dense in sorted(folder.glob("*_Dense")):
        config = json.loads((dense / "config.json").read_text(encoding="utf-8"))
        golden_models.save_tensors(dense_tensors(config, normal), dense / "model.safetensors")
    if not spec.linear:
        return
    weight = {"linear.weight": normal(spec.linear, spec.encoder.hidden)}
    encoder = safetensors.torch.load_file(folder / "model.safetensors")
    golden_models.save_tensors({"bert." + name: tensor for name, tensor in encoder.items()} | weight,
                               folder / "model.safetensors")


def write_model(spec, folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    vocab = write_tokenizer(spec, folder) + spec.encoder.vocab_padding
    config = make_config(spec, vocab)
    model = randomize(spec.model_class(config), spec.encoder.seed)
    golden_hub_heads.check(spec.name, model)
    model.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    stored = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    golden_models.write_json(folder / "config.json", stored | spec.folder_config)
    if spec.sentence_transformers is not None:
        golden_models.write_json(folder / "config_sentence_transformers.json", spec.sentence_transformers)
    for path, content in spec.files:
        golden_models.write_json(folder / path, content)
    write_linear(spec, folder)


def number(x):
    return float(str(np.float32(x)))


# ------------------------------------------------------------------ what each task is asked, and answers


def texts():
    """Short ones, one of each length around the limits, and hostile ones."""
    words = (1, 3, 8, 21, 34, 90)
    chosen = ["bread and boats", "", "The ferry leaves the old harbour at seven.", "Anna met Bob in Paris, France."]
    chosen += [golden_texts.long_text(count) for count in words]
    return chosen + [text for text in golden_texts.HOSTILE if text != ""]


def rerank_cases(spec, folder):
    oracle = sentence_transformers.CrossEncoder(str(folder), device="cpu")
    for options in ({},) + spec.options:
        for first, second in golden_texts.PAIRS:
            pair = [(golden_texts.decode(first), golden_texts.decode(second))]
            activation = torch.nn.Identity() if options.get("raw_scores") else None
            score = oracle.predict(pair, activation_fn=activation, show_progress_bar=False)[0]
            yield golden_texts.field("text", first) | golden_texts.field("pair", second) | {
                "options": options, "score": number(score)}


def classify_cases(spec, folder):
    oracle = transformers.pipeline("text-classification", model=str(folder), device="cpu")
    inputs = [(text, None) for text in texts()] + golden_texts.PAIRS
    for options in ({},) + spec.options:
        function = "none" if options.get("raw_scores") else None
        for text, pair in inputs if not options else inputs[:5]:
            case = golden_texts.field("text", text)
            given = {"text": [golden_texts.decode(text)]}
            if pair is not None:
                case |= golden_texts.field("pair", pair)
                given["text_pair"] = [golden_texts.decode(pair)]
            # As lists, since transformers reads an empty second text as none where it is not in a list.
            features = oracle.tokenizer(**given, truncation="longest_first", return_tensors="pt")
            with torch.inference_mode():
                output = oracle.model(**accepted(oracle.model, features))
            answer = oracle.postprocess(output, function_to_apply=None if function is None else
                                        transformers.pipelines.text_classification.ClassificationFunction.NONE,
                                        top_k=None, _legacy=False)
            yield case | {"options": options,
                          "labels": [[entry["label"], number(entry["score"])] for entry in answer]}


def accepted(model, features):
    """The features that the model's forward takes."""
    import inspect
    names = inspect.signature(model.forward).parameters
    return {name: value for name, value in features.items() if name in names}


def token_cases(spec, folder):
    oracle = transformers.pipeline("token-classification", model=str(folder), device="cpu")
    for aggregation in AGGREGATIONS:
        for text in texts():
            decoded = golden_texts.decode(text)
            spans = oracle(decoded, aggregation_strategy=aggregation) if decoded else []
            yield golden_texts.field("text", text) | {
                "options": {"aggregation": aggregation},
                "spans": [[int(span["start"]), int(span["end"]), span.get("entity_group", span.get("entity")),
                           number(span["score"])] for span in spans]}


def sparse_answer(vector):
    """Of a dense numpy vector."""
    indices = np.flatnonzero(vector)
    return {"indices": indices.tolist(), "values": [number(vector[index]) for index in indices]}


def sparse_cases(spec, folder):
    oracle = sentence_transformers.SparseEncoder(str(folder), device="cpu")
    for text in texts()[:24]:
        vector = oracle.encode(golden_texts.decode(text), convert_to_sparse_tensor=False, show_progress_bar=False)
        yield golden_texts.field("text", text) | {"options": {}} | sparse_answer(np.asarray(vector))


def rows(matrix):
    return [[number(x) for x in row] for row in np.asarray(matrix, dtype=np.float32)]


def multivector_cases(spec, folder):
    oracle = sentence_transformers.MultiVectorEncoder(str(folder), device="cpu")
    for options in ({}, {"prompt_name": "query"}):
        encode = oracle.encode_query if options else oracle.encode_document
        for text in texts()[:20]:
            answer = encode(golden_texts.decode(text), convert_to_numpy=True, show_progress_bar=False)
            yield golden_texts.field("text", text) | {"options": options, "rows": rows(answer)}


def hybrid_cases(spec, folder):
    """FlagEmbedding's M3Embedder in a few lines: CLS, normalized; the largest weight of each token that is not
    special; every token's vector but the first's, normalized."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder))
    model = transformers.AutoModel.from_pretrained(str(folder), dtype=torch.float32).eval()
    linear = {name: torch.load(folder / f"{name}_linear.pt") for name in ("sparse", "colbert")}
    roles = ("cls_token", "eos_token", "pad_token", "unk_token")
    dropped = {tokenizer.convert_tokens_to_ids(getattr(tokenizer, role)) for role in roles}

    def apply(name, hidden):
        return hidden @ linear[name]["weight"].T + linear[name]["bias"]

    for text in texts():
        features = tokenizer([golden_texts.decode(text)], truncation=True, return_tensors="pt")
        with torch.inference_mode():
            hidden = model(**accepted(model, features)).last_hidden_state[0]
        weights = torch.relu(apply("sparse", hidden))[:, 0].numpy()
        sparse = np.zeros(model.config.vocab_size, dtype=np.float32)
        for token, weight in zip(features["input_ids"][0].tolist(), weights):
            if token not in dropped:
                sparse[token] = max(sparse[token], weight)
        vectors = torch.nn.functional.normalize(apply("colbert", hidden[1:]), dim=-1)
        dense = torch.nn.functional.normalize(hidden[0], dim=-1)
        yield golden_texts.field("text", text) | {
            "options": {}, "embedding": [number(x) for x in dense], "rows": rows(vectors)} | sparse_answer(sparse)


CASES = {"rerank": rerank_cases, "classify": classify_cases, "classify-tokens": token_cases, "sparse": sparse_cases,
         "multivector": multivector_cases, "hybrid": hybrid_cases}


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    wanted = sys.argv[1:]
    (DATA / "task_goldens").mkdir(parents=True, exist_ok=True)
    for spec in SPECS:
        if wanted and spec.name not in wanted:
            continue
        folder = DATA / "task_models" / spec.name
        write_model(spec, folder)
        cases = list(CASES[spec.task](spec, folder))
        make_goldens.write_golden(DATA / "task_goldens" / f"{spec.name}.json", {
            "made_by": make_goldens.versions() | {"script": "tools/golden_tasks.py"},
            "about": spec.about, "model": f"task_models/{spec.name}", "task": spec.task, "cases": cases})
        print(f"{spec.name}: {len(cases)} cases", file=sys.stderr)


if __name__ == "__main__":
    main()
