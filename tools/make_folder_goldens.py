#!/usr/bin/env python3
"""Makes tests/data/folder_models (tiny random models of every kind of sentence-transformers folder that is more than a
transformer and a pooling) and tests/data/folder_goldens (what sentence-transformers answers with them, fp32, one text
at a time). tests/data/README.md describes the files.

    build/venv/bin/python tools/make_folder_goldens.py            # all of them
    build/venv/bin/python tools/make_folder_goldens.py NAME …     # some

A golden's name is MODEL or MODEL.ROUTE. Folders are written by sentence-transformers itself; those named old_* are then
rewritten in the spelling of its releases before 5.4.
"""

import json
import os
import pathlib
import shutil
import sys
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import tokenizers
import torch
import transformers
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer, SparseEncoder
from sentence_transformers.base.modules.dense import Dense
from sentence_transformers.base.modules.normalize import Normalize
from sentence_transformers.base.modules.router import Router
from sentence_transformers.base.modules.transformer import Transformer
from sentence_transformers.sentence_transformer.modules.dropout import Dropout
from sentence_transformers.sentence_transformer.modules.layer_norm import LayerNorm
from sentence_transformers.sentence_transformer.modules.pooling import Pooling
from sentence_transformers.sentence_transformer.modules.static_embedding import StaticEmbedding
from sentence_transformers.sparse_encoder.modules import SparseStaticEmbedding, SpladePooling

import golden_models
import golden_texts
import make_goldens

DATA = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data"
HIDDEN = 24
ALL_MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
OLD_TYPES = {"Transformer": "models.Transformer", "Pooling": "models.Pooling", "Dense": "models.Dense",
             "Normalize": "models.Normalize", "LayerNorm": "models.LayerNorm", "Dropout": "models.Dropout",
             "Router": "models.Asym", "StaticEmbedding": "models.StaticEmbedding"}
OLD_FLAGS = {"cls": "cls_token", "max": "max_tokens", "mean": "mean_tokens",
             "mean_sqrt_len_tokens": "mean_sqrt_len_tokens", "weightedmean": "weightedmean_tokens",
             "lasttoken": "lasttoken"}


def bert_folder(seed):
    folder = pathlib.Path(tempfile.mkdtemp()) / "bert"
    golden_models.write_model(golden_models.Spec("bert", "", seed, layers=1, modules=None), folder)
    return folder


def transformer(seed):
    return Transformer(str(bert_folder(seed)), max_seq_length=40)


def spread(*modules):
    """Norms and biases vary as much as weights do, so that a missing or swapped tensor shows."""
    for module in modules:
        for parameter in module.parameters():
            with torch.no_grad():
                parameter.add_(torch.randn_like(parameter) * 0.3)
    return modules


def table(seed, rows, columns=16):
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 1, (rows, columns)).astype(np.float32))


def word_tokenizer():
    """Without the truncation of its file, which StaticEmbedding would follow and an engine must not."""
    tokenizer = tokenizers.Tokenizer.from_file(str(bert_folder(1) / "tokenizer.json"))
    tokenizer.no_truncation()
    return tokenizer


def several_poolings():
    return SentenceTransformer(modules=[transformer(2), Pooling(HIDDEN, ALL_MODES)], device="cpu")


def weighted_mean_without_prompt():
    return SentenceTransformer(
        modules=[transformer(3), Pooling(HIDDEN, ("weightedmean", "cls"), include_prompt=False)], device="cpu",
        prompts={"query": "find the passage for: ", "document": ""}, default_prompt_name="query")


def module_chain():
    return SentenceTransformer(modules=[
        transformer(4), Pooling(HIDDEN, "mean"),
        *spread(Dense(HIDDEN, HIDDEN, activation_function=torch.nn.ReLU(), use_residual=True), LayerNorm(HIDDEN),
                Dense(HIDDEN, 17, activation_function=torch.nn.GELU(), use_residual=True)),
        Normalize(), Dropout(0.5), *spread(Dense(17, 9, bias=False)), Normalize()], device="cpu")


def truncated():
    return SentenceTransformer(modules=[transformer(5), Pooling(HIDDEN, "mean")], device="cpu", truncate_dim=7,
                               similarity_fn_name="dot")


def static_embedding():
    words = word_tokenizer()
    return SentenceTransformer(
        modules=[StaticEmbedding(words, embedding_weights=table(6, words.get_vocab_size())), Normalize()], device="cpu",
        prompts={"query": "query: "})


def static_with_dense():
    words = word_tokenizer()
    return SentenceTransformer(modules=[StaticEmbedding(words, embedding_weights=table(7, words.get_vocab_size())),
                                        *spread(Dense(16, 10))], device="cpu")


def routed():
    words = word_tokenizer()
    query = [StaticEmbedding(words, embedding_weights=table(8, words.get_vocab_size())), *spread(Dense(16, HIDDEN))]
    router = Router.for_query_document(query, [transformer(9), Pooling(HIDDEN, "mean")])
    return SentenceTransformer(modules=[router, Normalize()], device="cpu",
                               prompts={"query": "query: ", "document": "passage: "})


def routed_dense():
    router = Router({"query": list(spread(Dense(HIDDEN, 8))), "doc": list(spread(Dense(HIDDEN, 8)))},
                    allow_empty_key=True)
    return SentenceTransformer(modules=[transformer(10), Pooling(HIDDEN, "mean"), router], device="cpu")


def inference_free():
    folder = bert_folder(11)
    model = transformers.BertForMaskedLM.from_pretrained(folder)
    spread(model.cls)
    model.save_pretrained(folder)
    document = Transformer(str(folder), transformer_task="fill-mask", max_seq_length=40)
    size = len(document.tokenizer.get_vocab())
    weight = table(12, size, 1)[:, 0].abs()
    weight[::7] = 0
    query = SparseStaticEmbedding(document.tokenizer, weight=weight, frozen=True)
    return SparseEncoder(modules=[Router.for_query_document(
        [query], [document, SpladePooling("max")])], similarity_fn_name="dot", device="cpu")


MODELS = {
    "several_poolings": (several_poolings, "new", (None,)),
    "old_several_poolings": (several_poolings, "old", (None,)),
    "weighted_mean_without_prompt": (weighted_mean_without_prompt, "new", (None,)),
    "module_chain": (module_chain, "new", (None,)),
    "old_module_chain": (module_chain, "old", (None,)),
    "pytorch_bin": (module_chain, "bin", (None,)),
    "truncated": (truncated, "new", (None,)),
    "static_embedding": (static_embedding, "new", (None,)),
    "old_static_embedding": (static_embedding, "old", (None,)),
    "static_with_dense": (static_with_dense, "new", (None,)),
    "model2vec": (static_embedding, "model2vec", (None,)),
    "routed": (routed, "new", ("query", "document", None)),
    "old_routed_dense": (routed_dense, "old", ("query", "doc", None)),
    "routed_dense": (routed_dense, "new", ("query", "doc")),
    "inference_free": (inference_free, "new", ("query", "document")),
}


def rewrite_json(path, change):
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def old_type(name):
    return "sentence_transformers." + OLD_TYPES[name.rsplit(".", 1)[1]]


def spell_old(folder):
    def modules(value):
        for module in value:
            module["type"] = old_type(module["type"])

    def pooling(value):
        modes = value.pop("pooling_mode")
        for mode, flag in OLD_FLAGS.items():
            value["pooling_mode_" + flag] = mode in ([modes] if isinstance(modes, str) else modes)
        value["word_embedding_dimension"] = value.pop("embedding_dimension")

    def router(value):
        value["types"] = {name: old_type(kind) for name, kind in value["types"].items()}
        value["parameters"] = {"allow_empty_key": True}

    rewrite_json(folder / "modules.json", modules)
    for path in folder.rglob("*Pooling/config.json"):
        rewrite_json(path, pooling)
    for path in folder.rglob("router_config.json"):
        rewrite_json(path, router)
        path.rename(path.with_name("config.json"))
    for path in folder.rglob("*_Normalize/config.json"):
        path.unlink()


def spell_model2vec(folder):
    """The same vectors by model2vec's names: rows shared through a mapping, a factor for each token."""
    path = next(folder.rglob("model.safetensors"))
    random = np.random.default_rng(13)
    tokens = word_tokenizer().get_vocab_size()
    path.unlink()
    save_file({"embeddings": table(14, 50), "mapping": torch.from_numpy(random.integers(0, 50, tokens)),
               "weights": torch.from_numpy(random.uniform(0.5, 2, tokens).astype(np.float32))}, path)


def write_folder(name):
    make, spelling, _ = MODELS[name]
    torch.manual_seed(len(name))
    folder = DATA / "folder_models" / name
    shutil.rmtree(folder, ignore_errors=True)
    make().save_pretrained(str(folder), create_model_card=False, safe_serialization=spelling != "bin")
    if spelling == "old":
        spell_old(folder)
    if spelling == "model2vec":
        spell_model2vec(folder)
    if spelling == "bin":  # transformers itself writes no such file any more
        torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()  # git keeps no empty folder; a module without files needs none
    return folder


def load(folder, name):
    kind = SparseEncoder if name == "inference_free" else SentenceTransformer
    return kind(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})


def answer(model, text, route):
    if isinstance(model, SparseEncoder):
        encode = model.encode_query if route == "query" else model.encode_document
        return encode(text, convert_to_sparse_tensor=False).numpy()
    prompt_name = route if route in model.prompts else None
    extra = {} if route is None else {"task": route}
    return model.encode(text, prompt_name=prompt_name, show_progress_bar=False, **extra)


def golden(name, route):
    model = load(DATA / "folder_models" / name, name)
    texts = ["bread and boats", "", "The ferry leaves the old harbour at seven.", golden_texts.long_text(7),
             golden_texts.long_text(30), golden_texts.long_text(90), "ferry ferry ferry", "\U0001f6a2 naïve 東京"]
    cases = [{"text": text, "ids": [], "embedding": make_goldens.numbers(answer(model, text, route))}
             for text in texts]
    return {"made_by": make_goldens.versions() | {"script": "tools/make_folder_goldens.py"},
            "about": f"sentence-transformers' answers of folder_models/{name}" + (f", route {route}" if route else ""),
            "model": f"folder_models/{name}", "cases": cases}


def main():
    torch.set_num_threads(1)
    (DATA / "folder_goldens").mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or MODELS:
        write_folder(name)
        for route in MODELS[name][2]:
            file = name if route is None else f"{name}.{route}"
            make_goldens.write_golden(DATA / "folder_goldens" / f"{file}.json", golden(name, route))
            print(file, file=sys.stderr)


if __name__ == "__main__":
    main()
