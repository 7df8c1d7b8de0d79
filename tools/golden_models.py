"""The tiny random BERT models: what each covers, how its folder is written, and what it is asked."""

import collections
import dataclasses
import json

import numpy as np
import tokenizers
import torch
from safetensors.torch import save_file

import golden_texts

SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@dataclasses.dataclass(frozen=True)
class Spec:
    """One model. `modules` follow the transformer: ("pooling", mode[, include_prompt]), ("dense", out, bias,
    activation), ("normalize",); None means a folder without modules.json."""

    name: str
    about: str
    seed: int
    hidden: int = 24
    heads: int = 3
    layers: int = 2
    intermediate: int = 37
    positions: int = 48
    vocab_padding: int = 6  # rows of the embedding table beyond the tokenizer's vocabulary
    act: str = "gelu"
    eps: float | None = 1e-12  # None leaves the key out of config.json
    dtype: str = "float32"
    modules: tuple | None = (("pooling", "mean"), ("normalize",))
    layout: str = "old"  # module files as sentence-transformers wrote them before 5.4, or "new"
    max_seq_length: int | None = 40
    prompts: dict | None = None
    default_prompt_name: str | None = None
    names: str = "plain"  # tensor names: plain | bert (prefix) | gamma (prefix, and gamma/beta for norms)
    shards: int = 1
    tokenizer: str = "json"  # tokenizer.json, or "vocab": a cased vocab.txt with its configs alone
    pooler: bool = True
    subfolder: str = ""  # of the transformer and its tokenizer, as sentence-transformers 1 and 2 wrote it


SPECS = [
    Spec("mean_normalize", "mean pooling, normalize, erf GELU; prompts without a default", 1,
         prompts={"query": "query: ", "passage": "a passage about bridges: "}),
    Spec("cls_odd", "CLS pooling, not normalized; 5 heads of 8, 3 layers, large epsilon", 2,
         hidden=40, heads=5, layers=3, intermediate=70, positions=64, eps=1e-2, max_seq_length=None,
         modules=(("pooling", "cls"),)),
    Spec("max_bf16", "max pooling; bf16 weights, ReLU, 3 heads of 12", 3, hidden=36, heads=3, intermediate=70,
         act="relu", dtype="bfloat16", positions=53, modules=(("pooling", "max"), ("normalize",))),
    Spec("last_silu", "last-token pooling; SiLU; tensor names with the bert. prefix", 4, heads=2, act="silu",
         names="bert", eps=1e-3, modules=(("pooling", "lasttoken"), ("normalize",))),
    Spec("dense_tanh", "mean pooling, Dense with Tanh to 17, normalize", 5, layers=1,
         modules=(("pooling", "mean"), ("dense", 17, True, "torch.nn.modules.activation.Tanh"),
                  ("normalize",))),
    Spec("dense_identity", "CLS pooling, Dense without a bias and with Identity to 31; new module files", 6,
         layers=1, layout="new",
         modules=(("pooling", "cls"), ("dense", 31, False, "torch.nn.modules.linear.Identity"))),
    Spec("prompt_excluded", "a default prompt whose tokens stay out of the mean; new module files", 7,
         layout="new", modules=(("pooling", "mean", False), ("normalize",)),
         prompts={"query": "find the passage for: ", "document": ""}, default_prompt_name="query"),
    Spec("prompt_default", "a default prompt that is pooled; max pooling", 8, layers=1,
         modules=(("pooling", "max"),), prompts={"search": "Search, please — "},
         default_prompt_name="search"),
    Spec("plain_vocab_txt", "no modules.json (mean, not normalized), a cased vocab.txt, GELU by tanh", 9,
         act="gelu_new", modules=None, max_seq_length=None, tokenizer="vocab", pooler=False),
    Spec("gamma_beta", "the oldest names: bert. prefix, LayerNorm.gamma/beta, position_ids; a bare config", 10,
         names="gamma", eps=None, layers=1, modules=(("pooling", "mean"),), positions=61, max_seq_length=None),
    Spec("sharded", "three shards with an index; GELU by tanh under its other name", 11, shards=3,
         act="gelu_pytorch_tanh", modules=(("pooling", "mean"), ("normalize",))),
    Spec("cls_f16", "fp16 weights, CLS pooling, normalize", 12, dtype="float16", heads=4, layers=3,
         modules=(("pooling", "cls"), ("normalize",))),
    Spec("in_subfolder", "the transformer and its tokenizer in 0_Transformer; a prompt by name", 13, layers=1,
         subfolder="0_Transformer", prompts={"query": "query: "}),
]


def ranked(counter, count):
    """The `count` most frequent entries, ties in order of code points: the same on every run."""
    return [piece for piece, _ in sorted(counter.items(), key=lambda item: (-item[1], item[0]))[:count]]


def make_vocabulary(words, special_tokens):
    """WordPiece entries from the corpus's words: characters, frequent words, frequent endings. Not a trained
    vocabulary (the library's trainer breaks ties differently on every run), but it splits like one."""
    characters, whole, endings = collections.Counter(), collections.Counter(), collections.Counter()
    for word in words:
        characters.update(word)
        if len(word) > 1:
            whole[word] += 1
        endings.update("##" + word[-length:] for length in (2, 3, 4) if len(word) > length)
    letters = ranked(characters, 85)
    pieces = special_tokens + letters + ["##" + letter for letter in letters]
    pieces += ranked(whole, 70) + ranked(endings, 56)
    return {piece: index for index, piece in enumerate(pieces)}


def make_template(template, types):
    """`template` is what stands around a text, "[CLS] $ [SEP]". The second text of a pair is followed by what
    follows the first; both have the token type 0 where the model is given none."""
    before, after = template.split("$")
    first = f"{before}$A:0{after}".replace("]", "]:0")
    second = f"$B:0{after}".replace("]", "]:0")
    return first, f"{first} {second.replace(':0', ':1') if types else second}"


def make_tokenizer(cased, special_tokens, template, types):
    normalizer = tokenizers.normalizers.BertNormalizer(lowercase=not cased)
    pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    words = [word for line in golden_texts.corpus()
             for word, _ in pre_tokenizer.pre_tokenize_str(normalizer.normalize_str(line))]
    vocabulary = make_vocabulary(words, special_tokens)
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = tokenizers.decoders.WordPiece()
    tokenizer.add_special_tokens(special_tokens)
    cls, sep = ("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])
    single, pair = make_template(template, types)
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single=single, pair=pair, special_tokens=[cls, sep])
    return tokenizer


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def write_tokenizer(spec, folder):
    cased = spec.tokenizer == "vocab"
    tokenizer = make_tokenizer(cased, SPECIAL_TOKENS, "[CLS] $ [SEP]", types=True)
    write_json(folder / "tokenizer_config.json", {
        "tokenizer_class": "BertTokenizer", "do_lower_case": not cased, "strip_accents": None,
        "tokenize_chinese_chars": True, "model_max_length": spec.positions, "unk_token": "[UNK]",
        "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]"})
    write_json(folder / "special_tokens_map.json", {
        "unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]",
        "mask_token": "[MASK]"})
    if cased:
        by_id = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
        (folder / "vocab.txt").write_text("".join(token + "\n" for token, _ in by_id), encoding="utf-8")
    else:
        # Sections that must be ignored: sentence-transformers' own limit rules, and nothing is ever padded.
        tokenizer.enable_truncation(max_length=16)
        tokenizer.enable_padding(length=16)
        (folder / "tokenizer.json").write_text(tokenizer.to_str(pretty=False), encoding="utf-8")
    return tokenizer.get_vocab_size()


def make_weights(spec, vocab):
    """Tensors by transformers' names, in fp32."""
    random = np.random.default_rng(spec.seed)

    def normal(*shape, mean=0.0, std=0.3):
        return torch.from_numpy(random.normal(mean, std, shape).astype(np.float32))

    weights = {}

    def linear(name, out, into):
        weights[name + ".weight"] = normal(out, into, std=1.3 / into**0.5)
        weights[name + ".bias"] = normal(out, std=0.4)

    def norm(name):
        weights[name + ".weight"] = normal(spec.hidden, mean=1.0)
        weights[name + ".bias"] = normal(spec.hidden, std=0.4)

    weights["embeddings.word_embeddings.weight"] = normal(vocab, spec.hidden, std=1.0)
    weights["embeddings.position_embeddings.weight"] = normal(spec.positions, spec.hidden, std=0.6)
    weights["embeddings.token_type_embeddings.weight"] = normal(2, spec.hidden, std=0.6)
    norm("embeddings.LayerNorm")
    for layer in range(spec.layers):
        prefix = f"encoder.layer.{layer}."
        for part in ("query", "key", "value"):
            linear(prefix + "attention.self." + part, spec.hidden, spec.hidden)
        linear(prefix + "attention.output.dense", spec.hidden, spec.hidden)
        norm(prefix + "attention.output.LayerNorm")
        linear(prefix + "intermediate.dense", spec.intermediate, spec.hidden)
        linear(prefix + "output.dense", spec.hidden, spec.intermediate)
        norm(prefix + "output.LayerNorm")
    if spec.pooler:
        linear("pooler.dense", spec.hidden, spec.hidden)
    return weights


def stored_name(spec, name):
    if spec.names == "gamma":
        name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
    return name if spec.names == "plain" else "bert." + name


def save_tensors(tensors, path):
    save_file(tensors, path, metadata={"format": "pt"})
    path.chmod(0o644)  # safetensors writes 0600


def write_weights(spec, folder, vocab):
    dtype = getattr(torch, spec.dtype)
    tensors = {stored_name(spec, name): tensor.to(dtype) for name, tensor in make_weights(spec, vocab).items()}
    if spec.names == "gamma":
        tensors["bert.embeddings.position_ids"] = torch.arange(spec.positions).unsqueeze(0)
    if spec.shards == 1:
        save_tensors(tensors, folder / "model.safetensors")
        return
    names = sorted(tensors)
    files = {}
    for shard in range(spec.shards):
        file = f"model-{shard + 1:05}-of-{spec.shards:05}.safetensors"
        part = {name: tensors[name] for name in names[shard::spec.shards]}
        save_tensors(part, folder / file)
        files |= dict.fromkeys(part, file)
    total = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    write_json(folder / "model.safetensors.index.json",
               {"metadata": {"total_size": total}, "weight_map": dict(sorted(files.items()))})


def write_config(spec, folder, vocab):
    config = {
        "architectures": ["BertModel"], "model_type": "bert", "vocab_size": vocab,
        "hidden_size": spec.hidden, "num_hidden_layers": spec.layers, "num_attention_heads": spec.heads,
        "intermediate_size": spec.intermediate, "hidden_act": spec.act,
        "max_position_embeddings": spec.positions, "type_vocab_size": 2,
    }
    if spec.eps is not None:
        config |= {"layer_norm_eps": spec.eps, "pad_token_id": 0, "initializer_range": 0.02,
                   "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
                   "position_embedding_type": "absolute"}
        config["dtype" if spec.layout == "new" else "torch_dtype"] = spec.dtype
    write_json(folder / "config.json", config)


def pooling_config(spec, mode, include_prompt):
    if spec.layout == "new":
        return {"embedding_dimension": spec.hidden, "pooling_mode": mode, "include_prompt": include_prompt}
    keys = {"cls": "cls_token", "mean": "mean_tokens", "max": "max_tokens",
            "mean_sqrt_len_tokens": "mean_sqrt_len_tokens", "lasttoken": "lasttoken",
            "weightedmean": "weightedmean_tokens"}
    return {"word_embedding_dimension": spec.hidden, "include_prompt": include_prompt} | {
        "pooling_mode_" + key: mode == known for known, key in keys.items()}


def write_dense(spec, folder, out, bias, activation):
    random = np.random.default_rng(spec.seed + 1000)
    write_json(folder / "config.json", {"in_features": spec.hidden, "out_features": out, "bias": bias,
                                        "activation_function": activation})
    tensors = {"linear.weight": random.normal(0, 0.3, (out, spec.hidden))}
    if bias:
        tensors["linear.bias"] = random.normal(0, 0.4, out)
    save_tensors({name: torch.from_numpy(value.astype(np.float32)) for name, value in tensors.items()},
                 folder / "model.safetensors")


def write_modules(spec, folder):
    old = spec.layout == "old"
    types = {
        "transformer": "sentence_transformers." + ("models.Transformer" if old else
                                                   "base.modules.transformer.Transformer"),
        "pooling": "sentence_transformers." + ("models.Pooling" if old else
                                               "sentence_transformer.modules.pooling.Pooling"),
        "dense": "sentence_transformers." + ("models.Dense" if old else "base.modules.dense.Dense"),
        "normalize": "sentence_transformers." + ("models.Normalize" if old else
                                                 "base.modules.normalize.Normalize"),
    }
    modules = [{"idx": 0, "name": "0", "path": spec.subfolder, "type": types["transformer"]}]
    for index, (kind, *arguments) in enumerate(spec.modules, start=1):
        path = f"{index}_{kind.capitalize()}"
        modules.append({"idx": index, "name": str(index), "path": path, "type": types[kind]})
        if kind == "pooling":
            write_json(folder / path / "config.json",
                       pooling_config(spec, arguments[0], arguments[1] if len(arguments) > 1 else True))
        elif kind == "dense":
            write_dense(spec, folder / path, *arguments)
    write_json(folder / "modules.json", modules)


def write_model(spec, folder):
    transformer = folder / spec.subfolder
    transformer.mkdir(parents=True)
    vocab = write_tokenizer(spec, transformer) + spec.vocab_padding
    write_config(spec, transformer, vocab)
    write_weights(spec, transformer, vocab)
    if spec.modules is not None:
        write_modules(spec, folder)
    if spec.max_seq_length is not None:
        write_json(transformer / "sentence_bert_config.json",
                   {"max_seq_length": spec.max_seq_length, "do_lower_case": False})
    if spec.prompts is not None:
        write_json(folder / "config_sentence_transformers.json", {
            "__version__": {"sentence_transformers": "3.0.1", "transformers": "4.42.3", "pytorch": "2.3.1"},
            "prompts": spec.prompts, "default_prompt_name": spec.default_prompt_name,
            "similarity_fn_name": "cosine"})


def check_loaded(spec, bert):
    """Every stored tensor must have reached transformers' model, whatever it is called in the file."""
    state = bert.state_dict()
    vocab = state["embeddings.word_embeddings.weight"].shape[0]
    for name, tensor in make_weights(spec, vocab).items():
        stored = tensor.to(getattr(torch, spec.dtype)).float()
        if name not in state or not torch.equal(state[name], stored):
            raise SystemExit(f"{spec.name}: transformers did not load {name}")


def texts_for(spec):
    """Every model gets the corpus's start, all hostile texts and texts of each length around its limits."""
    words = (1, 2, 3, 5, 8, 13, 21, 34, 55, 200)
    first = ["bread and boats", "", "The ferry leaves the old harbour at seven."]
    rest = golden_texts.corpus()[25:44:3] + [golden_texts.long_text(count) for count in words]
    return first + rest + [text for text in golden_texts.HOSTILE if text != ""]


def pairs_for(spec):
    """None where a default prompt applies: sentence-transformers does not say what it means for a pair."""
    return golden_texts.PAIRS if spec.default_prompt_name is None else []


def options_for(spec):
    long = golden_texts.long_text(60)
    short = "bread and boats"
    cases = [
        (short, {"dimensions": 1}), (short, {"dimensions": 8}), (long, {"dimensions": 13}),
        (short, {"prompt": "a prompt of our own, "}),
    ]
    if spec.default_prompt_name is None:  # a limit that cuts into a prompt has no agreed meaning
        cases += [
            (long, {"truncation_side": "left"}), (golden_texts.long_text(90), {"truncation_side": "left"}),
            (long, {"max_length": 3}), (long, {"max_length": 17}),
            (long, {"max_length": 17, "truncation_side": "left"}),
        ]
    for name in spec.prompts or {}:
        cases += [(short, {"prompt_name": name}), ("", {"prompt_name": name}), (long, {"prompt_name": name})]
    return cases
