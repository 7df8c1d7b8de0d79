#!/usr/bin/env python3
"""Makes the tiny random decoders with heads of tests/data/task_models and their answers in tests/data/task_goldens:
classifiers, rewards, and language models that rerank by the logits of two tokens.

    build/venv/bin/python tools/golden_decoder_tasks.py            # all of them
    build/venv/bin/python tools/golden_decoder_tasks.py NAME …     # some

What transformers and sentence-transformers have, they answer; Qwen2's reward models, which are code on the hub, are
written out here: a multilayer perceptron over the decoder's last hidden states.
"""

import dataclasses
import json
import pathlib
import shutil
import sys
import tempfile

import numpy as np
import sentence_transformers
import torch
import transformers
from sentence_transformers.base.modules import Transformer
from sentence_transformers.cross_encoder.modules import LogitScore

import golden_decoders
import golden_models
import golden_tasks
import golden_texts
import make_goldens
from golden_task_specs import Spec, with_head
from golden_tasks import number

golden_tasks.AGGREGATIONS = ("none", "simple")  # the others are the encoders' to show
DECODERS = {spec.name: spec for spec in golden_decoders.SPECS}


def decoder(name, seed, task, **config):
    return with_head(DECODERS[name], seed, task, **config)


# Where the end of the text is the padding, transformers scores the token before it.
END_IS_PADDING = {"pad_token_id": golden_models.SPECIAL_TOKENS.index("[SEP]")}
LABELS = {"id2label": {0: "bad", 1: "good", 2: "neither"}, "label2id": {"bad": 0, "good": 1, "neither": 2}}

HEADS = [
    Spec("llama_rerank", "one label at the last token: a reward", decoder("llama", 401, "rerank", num_labels=1),
         "rerank", options=({"raw_scores": True},)),
    Spec("llama_tokens", "a layer with a bias for every token", decoder("llama", 402, "classify-tokens"),
         "classify-tokens"),
    Spec("llama_bidirectional_tokens", "the same without the mask",
         decoder("llama_bidirectional", 403, "classify-tokens"), "classify-tokens"),
    Spec("mistral_rerank", "one label", decoder("mistral", 404, "rerank", num_labels=1), "rerank"),
    Spec("mistral_tokens", "labels of tokens", decoder("mistral", 405, "classify-tokens"), "classify-tokens"),
    Spec("qwen2_classify", "three labels; the token that ends a text is the padding's",
         decoder("qwen2", 406, "classify", **LABELS), "classify", END_IS_PADDING, options=({"raw_scores": True},)),
    Spec("qwen2_tokens", "labels of tokens", decoder("qwen2", 407, "classify-tokens"), "classify-tokens"),
    Spec("qwen3_rerank", "one label, as Qwen3-Reranker is converted to", decoder("qwen3", 408, "rerank", num_labels=1),
         "rerank"),
    Spec("qwen3_tokens", "labels of tokens", decoder("qwen3", 409, "classify-tokens"), "classify-tokens"),
    Spec("gemma_rerank", "one label", decoder("gemma", 410, "rerank", num_labels=1), "rerank"),
    Spec("gemma_tokens", "labels of tokens", decoder("gemma", 411, "classify-tokens"), "classify-tokens"),
    Spec("gemma2_rerank", "one label", decoder("gemma2", 412, "rerank", num_labels=1), "rerank"),
    Spec("gemma2_tokens", "labels of tokens", decoder("gemma2", 413, "classify-tokens"), "classify-tokens"),
    Spec("gemma3_classify", "three labels", decoder("gemma3", 414, "classify", **LABELS), "classify"),
    Spec("gpt2_rerank", "one label", decoder("gpt2", 415, "rerank", num_labels=1), "rerank"),
    Spec("gpt2_tokens", "labels of tokens, by a layer of another name", decoder("gpt2", 416, "classify-tokens"),
         "classify-tokens"),
]

ROLE = '(messages | selectattr("role", "eq", "%s") | map(attribute="content") | first)'
# As models for sentence-transformers write it: an instruction with a default, then both texts.
QWEN3 = """{%%- set instruction = %s | default("find passages about boats") -%%}
system: judge the document. Answer "yes" or "no".
instruct: {{ instruction }}
query: {{ %s }}
document: {{ %s }}
assistant
""" % tuple(ROLE % role for role in ("system", "query", "document"))
LOOP = """{% set ns = namespace(query="", seen=0) %}
{% for message in messages %}
    {% if message.role == 'query' %}
        {% set ns.query = message['content'] | trim %}
    {% elif message.role == 'document' and not loop.first %}
        {% set ns.seen = ns.seen + 1 %}
{{ bos_token }}A: {{ ns.query }}{{ "\\n" }}B: {{ message.content }}
    {% endif %}
{% endfor %}
{{ 'predict ' ~ ("Yes" if ns.seen == 1 else "No") -}}
"""
STRUCTURED = """{% for message in messages %}{{ message.role | upper }}: {% for part in message.content %}{% if
part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %} {% endfor %}{% if add_generation_prompt %}answer {% endif %}"""


@dataclasses.dataclass(frozen=True)
class Reranker:
    """A language model whose score is the logit of a token, or its distance to another's."""

    name: str
    about: str
    decoder: golden_decoders.DecoderSpec
    template: str
    tokens: tuple  # true, false or None; empty: "yes" and "no" of the vocabulary, and no module files
    in_tokenizer_config: bool = False
    settings: dict = dataclasses.field(default_factory=dict)  # of the chat template
    prompts: dict = dataclasses.field(default_factory=dict)
    task: str = "rerank"


def language_model(name, seed, **config):
    architecture = DECODERS[name].architecture.replace("TextModel", "ForCausalLM").replace("Model", "ForCausalLM")
    return dataclasses.replace(DECODERS[name], seed=seed, architecture=architecture,
                               config=DECODERS[name].config | config, modules=None)


RERANKERS = [
    Reranker("qwen3_yes_no", "the logits' distance; an instruction; a head of its own",
             language_model("qwen3", 420), QWEN3, (57, 61), prompts={"bridges": "find passages about bridges"}),
    Reranker("gemma_yes", "the logit of one token; the table of words as the head; a template with a loop",
             language_model("gemma", 421), LOOP, (43, None), in_tokenizer_config=True),
    Reranker("gemma2_yes_no", "capped logits; contents by parts; a setting of the template's", language_model(
        "gemma2", 422, final_logit_softcapping=3.0), STRUCTURED, (77, 71), settings={"add_generation_prompt": True}),
    Reranker("llama_yes_no", "a folder without modules: \"yes\" and \"no\" of the vocabulary",
             language_model("llama", 423), QWEN3, ()),
]


@dataclasses.dataclass(frozen=True)
class Reward:
    """Qwen2.5-Math's reward models: Linear, ReLU, Linear behind Qwen2Model."""

    name: str
    about: str
    decoder: golden_decoders.DecoderSpec
    rewards: int
    task: str


REWARDS = [
    Reward("qwen2_reward", "a perceptron at the last token; a config that says nothing of labels",
           dataclasses.replace(DECODERS["qwen2"], seed=430, modules=None), 1, "classify"),
    Reward("qwen2_process_reward", "a perceptron where a step ends", dataclasses.replace(
        DECODERS["qwen2"], seed=431, modules=None), 2, "classify-tokens"),
]
STEP = "<extra_0>"


# ---------------------------------------------------------------------- writing


def write_head_model(spec, folder):
    golden_tasks.write_model(spec, folder)
    golden_decoders.write_tokenizer_class(folder)


def add_tokens(folder, tokens):
    import tokenizers
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_special_tokens(list(tokens))
    (folder / "tokenizer.json").write_text(tokenizer.to_str(pretty=False), encoding="utf-8")
    return tokenizer.get_vocab_size()


def write_decoder(spec, folder, tokens=()):
    """A decoder of golden_decoders, with its own random weights, some tokens more, and no modules."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    golden_decoders.golden_encoders.write_tokenizer(spec, folder)
    golden_decoders.write_tokenizer_class(folder)
    vocab = add_tokens(folder, tokens) + spec.vocab_padding
    model, state = golden_decoders.golden_encoders.make_model(spec, vocab)
    config = model.config.to_diff_dict() | {"architectures": [spec.architecture], "dtype": spec.dtype}
    config.pop("transformers_version", None)
    golden_models.write_json(folder / "config.json", config)
    return model, state


def write_reranker(spec, folder):
    answers = () if spec.tokens else ("yes", "no")
    _, state = write_decoder(spec.decoder, folder, answers)
    golden_models.save_tensors(state, folder / "model.safetensors")
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | {"bos_token": "[CLS]"}
    if spec.in_tokenizer_config:
        config["chat_template"] = spec.template
    else:
        (folder / "chat_template.jinja").write_text(spec.template, encoding="utf-8")
    golden_models.write_json(path, config)
    if spec.tokens:
        write_score_modules(spec, folder)


def write_score_modules(spec, folder):
    """The files that sentence-transformers itself writes."""
    processing = {"processing_kwargs": {"chat_template": spec.settings}} if spec.settings else {}
    model = sentence_transformers.CrossEncoder(
        modules=[Transformer(str(folder), transformer_task="text-generation", **processing), LogitScore(*spec.tokens)],
        device="cpu", prompts=spec.prompts or None)
    with tempfile.TemporaryDirectory() as saved:
        model.save_pretrained(saved)
        for file in ("modules.json", "1_LogitScore/config.json", "sentence_bert_config.json",
                     "config_sentence_transformers.json"):
            document = json.loads((pathlib.Path(saved) / file).read_text(encoding="utf-8"))
            document.pop("__version__", None) if isinstance(document, dict) else None
            golden_models.write_json(folder / file, document)


def write_reward(spec, folder):
    architecture = "Qwen2ForRewardModel" if spec.rewards == 1 else "Qwen2ForProcessRewardModel"
    model, state = write_decoder(spec.decoder, folder, (STEP,))
    path = folder / "config.json"
    golden_models.write_json(path, json.loads(path.read_text(encoding="utf-8")) | {"architectures": [architecture]})
    random = np.random.default_rng(spec.decoder.seed + 1000)
    hidden = spec.decoder.hidden
    score = {}
    for layer, outputs in ((0, hidden), (2, spec.rewards)):
        for part, shape, scale in (("weight", (outputs, hidden), 0.3), ("bias", (outputs,), 0.4)):
            score[f"score.{layer}.{part}"] = torch.from_numpy(random.normal(0.0, scale, shape).astype(np.float32))
    golden_models.save_tensors({"model." + name: tensor for name, tensor in state.items()} | score,
                               folder / "model.safetensors")
    return model.float(), score


# ---------------------------------------------------------------------- asking


def pair_cases(spec, folder):
    oracle = sentence_transformers.CrossEncoder(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})
    assert oracle.max_seq_length == spec.decoder.max_length, oracle.max_seq_length
    for options in ({}, {"raw_scores": True}) + tuple({"prompt_name": name} for name in spec.prompts):
        for first, second in golden_texts.PAIRS:
            pair = [(golden_texts.decode(first), golden_texts.decode(second))]
            activation = torch.nn.Identity() if options.get("raw_scores") else None
            score = oracle.predict(pair, activation_fn=activation, prompt_name=options.get("prompt_name"),
                                   show_progress_bar=False)[0]
            yield golden_texts.field("text", first) | golden_texts.field("pair", second) | {
                "options": options, "score": number(score)}


def reward_texts():
    for text in golden_tasks.texts():
        decoded = golden_texts.decode(text)
        yield decoded
        words = decoded.split(" ")
        yield STEP.join([decoded[:9], " ".join(words[: len(words) // 2]), "", decoded[-5:]]) + STEP


def reward_cases(spec, folder, model, score):
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder))
    step = tokenizer.convert_tokens_to_ids(STEP)
    for text in reward_texts():
        features = tokenizer([text], truncation=True, return_tensors="pt", return_offsets_mapping=True)
        ids, offsets = features["input_ids"], features["offset_mapping"][0].tolist()
        with torch.inference_mode():
            hidden = model(input_ids=ids).last_hidden_state[0]
            middle = torch.relu(hidden @ score["score.0.weight"].T + score["score.0.bias"])
            logits = middle @ score["score.2.weight"].T + score["score.2.bias"]
        case = golden_texts.field("text", text)
        if spec.rewards == 1:
            yield case | {"options": {}, "labels": [["LABEL_0", number(logits[-1, 0])]]}
            continue
        spans, begin = [], 0
        for at in (ids[0] == step).nonzero()[:, 0].tolist():
            probability = torch.softmax(logits[at], dim=-1)[1]
            spans.append([begin, offsets[at][0], "LABEL_1", number(probability)])
            begin = offsets[at][1]
        yield case | {"options": {}, "spans": spans}


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    wanted = sys.argv[1:]
    for spec in HEADS + RERANKERS + REWARDS:
        if wanted and spec.name not in wanted:
            continue
        folder = golden_tasks.DATA / "task_models" / spec.name
        if isinstance(spec, Reward):
            cases = list(reward_cases(spec, folder, *write_reward(spec, folder)))
        elif isinstance(spec, Reranker):
            write_reranker(spec, folder)
            cases = list(pair_cases(spec, folder))
        else:
            write_head_model(spec, folder)
            cases = list(golden_tasks.CASES[spec.task](spec, folder))
        make_goldens.write_golden(golden_tasks.DATA / "task_goldens" / f"{spec.name}.json", {
            "made_by": make_goldens.versions() | {"script": "tools/golden_decoder_tasks.py"},
            "about": spec.about, "model": f"task_models/{spec.name}", "task": spec.task, "cases": cases})
        print(f"{spec.name}: {len(cases)} cases", file=sys.stderr)


if __name__ == "__main__":
    main()
