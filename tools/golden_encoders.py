"""Tiny random models of every encoder beside BERT, from transformers' own config and model classes: what each
covers, how its folder is written, and what it is asked. The tokenizer is WordPiece for all: the models are what
is tested here."""

import dataclasses
import sys

import numpy as np
import torch
import transformers

import golden_models
import golden_texts


@dataclasses.dataclass(frozen=True)
class EncoderSpec:
    """One model. `config` holds the fields of the config class that differ from its defaults; the vocabulary's
    size is added. `modules` as in golden_models.Spec."""

    name: str
    about: str
    seed: int
    architecture: str  # a class of transformers
    config: dict
    pad_id: int = 0
    types: bool = False  # pairs have token types 0 and 1, and the model is given them
    dtype: str = "float32"
    prefix: str = ""  # before every tensor's name, as where the checkpoint carries a head
    modules: tuple | None = (("pooling", "mean"), ("normalize",))
    max_length: int = 46  # what the tokenizer's config says
    template: str = "[CLS] $ [SEP]"  # what the tokenizer puts around a text
    features: bool = False  # the vector is the model's own: get_text_features, text_embeds or pooler_output
    padded: bool = False  # every text to max_length
    vocab_padding: int = 6  # rows of the embedding table beyond the tokenizer's vocabulary
    # Shared with golden_models.Spec, whose module writer serves both.
    layout: str = "old"
    subfolder: str = ""
    hidden: int = 24


# Odd sizes: 3 heads of 8, an intermediate size that no vector divides.
BERT_LIKE = {"hidden_size": 24, "num_attention_heads": 3, "num_hidden_layers": 2, "intermediate_size": 37,
             "max_position_embeddings": 48}

TOWER = {"hidden_size": 24, "num_attention_heads": 3, "num_hidden_layers": 2, "intermediate_size": 37}
TINY_VISION = TOWER | {"num_hidden_layers": 1, "intermediate_size": 16, "image_size": 4, "patch_size": 4}

SPECS = [
    EncoderSpec("roberta", "positions from pad_id + 1, which the padding's token does not take; one token type", 101,
                "RobertaModel", BERT_LIKE | {"type_vocab_size": 1, "layer_norm_eps": 1e-5}, pad_id=1),
    EncoderSpec("xlm_roberta_cls", "CLS pooling; positions from pad_id + 1 with a pad_id of 3; a head's prefix", 102,
                "XLMRobertaModel", BERT_LIKE | {"type_vocab_size": 1, "layer_norm_eps": 1e-3, "hidden_size": 40,
                                                "num_attention_heads": 5}, pad_id=3, max_length=44, hidden=40,
                prefix="roberta.", modules=(("pooling", "cls"), ("normalize",)), dtype="float16"),
    EncoderSpec("camembert", "max pooling; RoBERTa under another name", 103, "CamembertModel",
                BERT_LIKE | {"type_vocab_size": 1, "hidden_act": "relu", "num_hidden_layers": 1}, pad_id=1,
                dtype="bfloat16", modules=(("pooling", "max"),)),
    EncoderSpec("distilbert", "names of its own, no token types", 104, "DistilBertModel",
                {"dim": 24, "n_heads": 3, "n_layers": 2, "hidden_dim": 37, "max_position_embeddings": 48},
                dtype="float16"),
    EncoderSpec("distilbert_cls", "CLS pooling, Dense; sinusoidal positions; a head's prefix; ReLU", 105,
                "DistilBertModel", {"dim": 36, "n_heads": 3, "n_layers": 3, "hidden_dim": 41, "activation": "relu",
                                    "max_position_embeddings": 48, "sinusoidal_pos_embds": True},
                hidden=36, prefix="distilbert.", dtype="bfloat16",
                modules=(("pooling", "cls"), ("dense", 20, True, "torch.nn.modules.activation.Tanh"))),
    EncoderSpec("electra", "embeddings of 13, projected; token types", 106, "ElectraModel",
                BERT_LIKE | {"embedding_size": 13}, types=True, dtype="float16"),
    EncoderSpec("electra_cls", "CLS pooling; embeddings of the model's size, not projected; a head's prefix", 107,
                "ElectraModel", BERT_LIKE | {"embedding_size": 24, "layer_norm_eps": 1e-3}, types=True,
                prefix="electra.", dtype="bfloat16", modules=(("pooling", "cls"), ("normalize",))),
    EncoderSpec("mpnet", "positions from 2, which the padding's token does not take; texts beyond the last bucket", 110,
                "MPNetModel", BERT_LIKE | {"max_position_embeddings": 170, "layer_norm_eps": 1e-5}, pad_id=1,
                max_length=168, dtype="float16"),
    EncoderSpec("mpnet_cls", "CLS pooling; 5 heads of 8; a head's prefix", 111, "MPNetModel",
                BERT_LIKE | {"hidden_size": 40, "num_attention_heads": 5, "num_hidden_layers": 3}, hidden=40, pad_id=1,
                prefix="mpnet.", dtype="bfloat16", modules=(("pooling", "cls"), ("normalize",))),
    EncoderSpec("albert", "embeddings of 13; four layers that share one block; GELU by tanh", 108, "AlbertModel",
                BERT_LIKE | {"embedding_size": 13, "num_hidden_layers": 4}, types=True, dtype="float16"),
    EncoderSpec("albert_groups", "CLS pooling; five layers of two groups with two blocks each; a head's prefix", 109,
                "AlbertModel", BERT_LIKE | {"embedding_size": 24, "num_hidden_layers": 5, "num_hidden_groups": 2,
                                            "inner_group_num": 2, "hidden_act": "gelu"}, types=True,
                prefix="albert.", dtype="bfloat16", modules=(("pooling", "cls"), ("normalize",))),
    EncoderSpec("deberta_v3", "both terms, projected as the contents are; log buckets; normalized positions; no "
                "absolute ones", 112, "DebertaV2Model",
                BERT_LIKE | {"type_vocab_size": 0, "relative_attention": True, "position_buckets": 10,
                             "max_relative_positions": -1, "norm_rel_ebd": "layer_norm", "share_att_key": True,
                             "pos_att_type": "p2c|c2p", "position_biased_input": False,
                             "max_position_embeddings": 120}, types=True, max_length=110, dtype="float16"),
    EncoderSpec("deberta_v2_cls", "CLS pooling; matrices of their own for both terms; no buckets, 20 distances; "
                "absolute positions, token types, projected embeddings; a head's prefix", 113, "DebertaV2Model",
                BERT_LIKE | {"type_vocab_size": 2, "relative_attention": True, "max_relative_positions": 20,
                             "pos_att_type": ["c2p", "p2c"], "position_biased_input": True, "embedding_size": 16,
                             "layer_norm_eps": 1e-3}, types=True, prefix="deberta.", dtype="bfloat16",
                modules=(("pooling", "cls"), ("normalize",))),
    EncoderSpec("deberta_c2p", "content to position alone; buckets without a norm", 114, "DebertaV2Model",
                BERT_LIKE | {"type_vocab_size": 0, "relative_attention": True, "position_buckets": 16,
                             "pos_att_type": ["c2p"], "position_biased_input": False, "num_hidden_layers": 1,
                             "max_relative_positions": 44}, dtype="bfloat16"),
    EncoderSpec("t5", "RMS norms, no biases, heads of 5, buckets that end at 20 tokens, ReLU", 115, "T5EncoderModel",
                {"d_model": 24, "d_kv": 5, "d_ff": 37, "num_layers": 2, "num_heads": 3,
                 "relative_attention_num_buckets": 8, "relative_attention_max_distance": 20},
                template="$ [SEP]", max_length=110, dtype="float16"),
    EncoderSpec("t5_gated", "gated GELU by tanh; 32 buckets; a Dense without a bias", 116,
                "T5EncoderModel", {"d_model": 40, "d_kv": 8, "d_ff": 37, "num_layers": 3, "num_heads": 3,
                                   "feed_forward_proj": "gated-gelu", "layer_norm_epsilon": 1e-3},
                template="$ [SEP]", hidden=40, dtype="bfloat16",
                modules=(("pooling", "mean"), ("dense", 20, False, "torch.nn.modules.linear.Identity"),
                         ("normalize",))),
    EncoderSpec("clip", "a whole CLIP: causal, quick GELU, projected at the first end-of-text token", 117, "CLIPModel",
                {"text_config": TOWER | {"eos_token_id": 3, "max_position_embeddings": 48},
                 "vision_config": TINY_VISION, "projection_dim": 10}, dtype="float16", features=True, modules=None),
    EncoderSpec("clip_projection", "the text encoder alone with its projection", 118, "CLIPTextModelWithProjection",
                TOWER | {"eos_token_id": 3, "max_position_embeddings": 48, "projection_dim": 11,
                         "layer_norm_eps": 1e-3}, dtype="bfloat16", features=True, modules=None),
    EncoderSpec("clip_largest_id", "not projected; the token with the largest id, as older configs mean by 2", 119,
                "CLIPTextModel", TOWER | {"eos_token_id": 2, "max_position_embeddings": 48, "num_hidden_layers": 1},
                prefix="text_model.", dtype="bfloat16", features=True, modules=None),
    EncoderSpec("siglip", "every text padded to 28, last token, a head with a bias", 120, "SiglipTextModel",
                TOWER | {"max_position_embeddings": 28, "projection_size": 15, "hidden_act": "gelu_pytorch_tanh"},
                template="$ [SEP]", pad_id=1, max_length=28, padded=True, dtype="float16", features=True,
                modules=None),
    EncoderSpec("siglip_whole", "a whole SigLIP, whose padding is not what its config says", 121, "SiglipModel",
                {"text_config": TOWER | {"max_position_embeddings": 20, "num_hidden_layers": 1},
                 "vision_config": TINY_VISION}, template="$ [SEP]", pad_id=2, max_length=20, padded=True,
                dtype="bfloat16", features=True, modules=None),
]


def special_tokens(spec):
    """In an order that gives [PAD] its id."""
    others = [token for token in golden_models.SPECIAL_TOKENS if token != "[PAD]"]
    return others[: spec.pad_id] + ["[PAD]"] + others[spec.pad_id :]


def write_tokenizer(spec, folder):
    tokenizer = golden_models.make_tokenizer(False, special_tokens(spec), spec.template, spec.types)
    names = ["input_ids", "token_type_ids", "attention_mask"]
    golden_models.write_json(folder / "tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": spec.max_length, "unk_token": "[UNK]",
        "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]",
        "model_input_names": names if spec.types else names[::2]})
    (folder / "tokenizer.json").write_text(tokenizer.to_str(pretty=False), encoding="utf-8")
    return tokenizer.get_vocab_size()


def default_random_value(random, path, module, name, shape):
    """Norms and biases vary as much as weights do."""
    if path.endswith("SelfAttention.q"):  # T5 does not scale scores: its queries are as much smaller
        return random.normal(0.0, 1.3 / (shape[1] * 8) ** 0.5, shape)
    if name.endswith("bias"):
        return random.normal(0.0, 0.4, shape)
    if isinstance(module, torch.nn.Embedding):
        return random.normal(0.0, 1.0 if shape[0] > 100 else 0.6, shape)
    if len(shape) == 1:  # of a normalization
        return random.normal(1.0, 0.3, shape)
    return random.normal(0.0, 1.3 / np.prod(shape[1:]) ** 0.5, shape)


def make_model(spec, vocab):
    """The model with random weights that its dtype can say."""
    model_class = getattr(transformers, spec.architecture)
    text = {"vocab_size": vocab, "pad_token_id": spec.pad_id}
    if "text_config" in spec.config:  # which keeps its class's pad_token_id, as the models on the hub do
        text = spec.config["text_config"] | {"vocab_size": vocab}
        config = model_class.config_class(**spec.config | {"text_config": text})
    else:
        config = model_class.config_class(**spec.config | text)
    model = model_class(config).eval()
    random = np.random.default_rng(spec.seed)
    random_value = getattr(sys.modules[type(spec).__module__], "random_value", default_random_value)
    state = {}
    seen = set()  # a tied parameter is stored once, under its first name
    for path, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if id(parameter) in seen:
                continue
            seen.add(id(parameter))
            value = torch.from_numpy(random_value(random, path, module, name, tuple(parameter.shape)))
            value = value.to(getattr(torch, spec.dtype))
            state[f"{path}.{name}".lstrip(".")] = value
            parameter.data.copy_(value)
    return model, state


def write_model(spec, folder):
    folder.mkdir(parents=True)
    vocab = write_tokenizer(spec, folder) + spec.vocab_padding
    model, state = make_model(spec, vocab)
    config = model.config.to_diff_dict() | {"architectures": [spec.architecture], "dtype": spec.dtype}
    config.pop("transformers_version", None)
    golden_models.write_json(folder / "config.json", config)
    golden_models.save_tensors({spec.prefix + name: value for name, value in state.items()},
                               folder / "model.safetensors")
    if spec.modules is not None:
        golden_models.write_modules(spec, folder)


def check_loaded(spec, model):
    """Every stored tensor must have reached transformers' model."""
    state = model.state_dict()
    embeddings = getattr(model, "text_model", model).get_input_embeddings()
    _, expected = make_model(spec, embeddings.weight.shape[0])
    for name, value in expected.items():
        if name not in state or not torch.equal(state[name], value.float()):
            raise SystemExit(f"{spec.name}: transformers did not load {name}")


HOSTILE = [
    "桥",
    "control\x00\x01\x07\x1b[31m characters\x7f\x85 inside",
    "السَّلَامُ عَلَيْكُمْ שָׁלוֹם",
    "[CLS] a special token in a text [SEP] and [MASK] and [UNK] and [PAD]",
    "[PAD][PAD] in front, and behind [PAD]",
    "!!!???...,,,;;;:::---___***((()))[[[]]]{{{}}}<<<>>>\\\\//||~~``^^@@##$$%%&&++==",
    b"cut in the middle \xe4\xb8",
]


def texts_for(spec):
    """The corpus in several languages, texts around every limit, one far beyond, hostile ones."""
    first = ["bread and boats", "", "The ferry leaves the old harbour at seven."]
    lengths = (8, 13, 21, 34, 200) if spec.max_length < 100 else (13, 34, 55, 120, 200)
    return first + golden_texts.corpus()[25:44:6] + [golden_texts.long_text(count) for count in lengths] + HOSTILE


class TextFeatures:
    """A text tower as transformers alone runs it; what make_goldens.Oracle is for sentence-transformers."""

    def __init__(self, spec, folder, dtype):
        self.spec = spec
        self.model = getattr(transformers, spec.architecture).from_pretrained(folder, dtype=dtype).eval()
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.max_length = spec.max_length
        self.dimension = len(self.answer("a", None, {})["embedding"])

    @torch.inference_mode()
    def answer(self, text, pair, options, check=True):
        self.tokenizer.truncation_side = options.get("truncation_side", "right")
        limit = min(self.max_length, options.get("max_length", self.max_length))
        ids = self.tokenizer(text, truncation=True, max_length=limit)["input_ids"]
        if self.spec.padded:
            ids += [self.spec.pad_id] * (self.max_length - len(ids))
        run = getattr(self.model, "get_text_features", self.model)
        output = run(input_ids=torch.tensor([ids]))
        embedding = output.text_embeds if "text_embeds" in output else output.pooler_output
        return {"ids": ids, "type_ids": [0] * len(ids), "hidden": output.last_hidden_state[0].float().numpy(),
                "embedding": embedding[0, : options.get("dimensions")].float().numpy()}


def make_oracle(spec, folder, dtype):
    """None where sentence-transformers is the one to ask."""
    return TextFeatures(spec, folder, dtype) if spec.features else None


def pairs_for(spec):
    if spec.features:
        return []  # of two texts they know nothing
    return golden_texts.PAIRS[:3] + golden_texts.PAIRS[6:9]


def options_for(spec):
    long = golden_texts.long_text(60)
    return [("bread and boats", {"dimensions": 8}), (long, {"truncation_side": "left"}), (long, {"max_length": 17})]
