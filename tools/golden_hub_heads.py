"""Heads over golden_hub's encoders, by the names of the code on the hub, for golden_tasks. What they compute was read in
that code (Alibaba-NLP/new-impl, jinaai/jina-bert-implementation, jinaai/xlm-roberta-flash-implementation): New and
JinaBERT have BERT's heads, the flash implementation XLM-RoBERTa's. It is checked, where transformers has the same model
by other names, against it (check)."""

import pathlib
import re
import tempfile

import torch
import transformers

import golden_hub
import golden_models
from golden_encoders import EncoderSpec
from golden_hub import GTE, JINA, activation, attend, heads, layer_norm, linear, linear_shapes, norm_shapes

# ------------------------------------------------------------------ XLM-RoBERTa by FlashAttention's names


def flash_shapes(c):
    C, F_ = c.hidden_size, c.intermediate_size
    for name, rows in (("word", c.vocab_size), ("position", c.max_position_embeddings),
                       ("token_type", c.type_vocab_size)):
        yield f"embeddings.{name}_embeddings.weight", (rows, C)
    yield from norm_shapes("emb_ln", C)
    for layer in range(c.num_hidden_layers):
        prefix = f"encoder.layers.{layer}."
        for name, outputs, inputs in (("mixer.Wqkv", 3 * C, C), ("mixer.out_proj", C, C), ("mlp.fc1", F_, C),
                                      ("mlp.fc2", C, F_)):
            yield from linear_shapes(prefix + name, outputs, inputs)
        yield from norm_shapes(prefix + "norm1", C)
        yield from norm_shapes(prefix + "norm2", C)


def flash_forward(c, w, ids, types):
    epsilon = c.layer_norm_eps
    is_text = ids != c.pad_token_id
    places = is_text.cumsum(0) * is_text + c.pad_token_id
    x = golden_hub.embed(w, ids, types, True) + w["embeddings.position_embeddings.weight"][places]
    x = layer_norm(w, "emb_ln", x, epsilon)
    for layer in range(c.num_hidden_layers):
        prefix = f"encoder.layers.{layer}."
        parts = linear(w, prefix + "mixer.Wqkv", x).chunk(3, dim=-1)
        mixed = attend(*(heads(part, c.num_attention_heads) for part in parts))
        x = layer_norm(w, prefix + "norm1", x + linear(w, prefix + "mixer.out_proj", mixed), epsilon)
        inner = activation(c.hidden_act)(linear(w, prefix + "mlp.fc1", x))
        x = layer_norm(w, prefix + "norm2", x + linear(w, prefix + "mlp.fc2", inner), epsilon)
    return x


class FlashHubConfig(transformers.PretrainedConfig):
    model_type = "xlm_roberta_flash_hub"


class FlashHubModel(golden_hub.HubModel):
    base_model_prefix = "roberta"
    config_class = FlashHubConfig
    shapes, function = flash_shapes, staticmethod(flash_forward)


transformers.AutoConfig.register(FlashHubConfig.model_type, FlashHubConfig)
transformers.AutoModel.register(FlashHubConfig, FlashHubModel)

# ------------------------------------------------------------------ heads


class HubHead(golden_hub.HubModel):
    """An encoder, whose parameters' names begin with its prefix, and what is behind it."""

    encoder = None

    @classmethod
    def shapes(cls, c):
        for name, shape in cls.encoder.shapes(c):
            yield f"{cls.base_model_prefix}.{name}", shape
        yield from cls.head_shapes(c)

    def forward(self, input_ids, attention_mask=None, token_type_ids=None, **ignored):
        types = torch.zeros_like(input_ids) if token_type_ids is None else token_type_ids
        if attention_mask is not None and not bool(attention_mask.all()):
            raise ValueError("one text at a time: there is no mask for padding here")
        weights, encoder = self.weights(), self.weights(self.base_model_prefix + ".")
        logits = [self.logits(weights, self.encoder.function(self.config, encoder, *row))
                  for row in zip(input_ids, types)]
        return transformers.modeling_outputs.SequenceClassifierOutput(logits=torch.stack(logits))


class PooledHead(HubHead):
    """BERT's: its pooler, then the labels."""

    @classmethod
    def head_shapes(cls, c):
        yield from linear_shapes(f"{cls.base_model_prefix}.pooler.dense", c.hidden_size, c.hidden_size)
        yield from linear_shapes("classifier", c.num_labels, c.hidden_size)

    def logits(self, w, hidden):
        return linear(w, "classifier", torch.tanh(linear(w, f"{self.base_model_prefix}.pooler.dense", hidden[0])))


class RobertaHead(HubHead):
    @staticmethod
    def head_shapes(c):
        yield from linear_shapes("classifier.dense", c.hidden_size, c.hidden_size)
        yield from linear_shapes("classifier.out_proj", c.num_labels, c.hidden_size)

    def logits(self, w, hidden):
        return linear(w, "classifier.out_proj", torch.tanh(linear(w, "classifier.dense", hidden[0])))


class TokenHead(HubHead):
    @staticmethod
    def head_shapes(c):
        yield from linear_shapes("classifier", c.num_labels, c.hidden_size)

    def logits(self, w, hidden):
        return linear(w, "classifier", hidden)


class VocabularyHead(HubHead):
    """New's for masked language models; its decoder's matrix is stored once, as the embeddings'."""

    @staticmethod
    def head_shapes(c):
        yield from linear_shapes("lm_head.dense", c.hidden_size, c.hidden_size)
        yield from norm_shapes("lm_head.norm", c.hidden_size)
        yield "lm_head.decoder.bias", (c.vocab_size,)

    def logits(self, w, hidden):
        x = activation(self.config.hidden_act)(linear(w, "lm_head.dense", hidden))
        x = layer_norm(w, "lm_head.norm", x, self.config.layer_norm_eps)
        return x @ w[f"{self.base_model_prefix}.embeddings.word_embeddings.weight"].T + w["lm_head.decoder.bias"]


AUTO = {PooledHead: transformers.AutoModelForSequenceClassification,
        RobertaHead: transformers.AutoModelForSequenceClassification,
        TokenHead: transformers.AutoModelForTokenClassification, VocabularyHead: transformers.AutoModelForMaskedLM}


def head(architecture, encoder, kind):
    """A class that transformers' Auto classes find by the folder's model_type."""
    made = type(architecture, (kind,), {"encoder": encoder, "config_class": encoder.config_class,
                                        "base_model_prefix": encoder.base_model_prefix})
    AUTO[kind].register(encoder.config_class, made)
    return made


NewForSequenceClassification = head("NewForSequenceClassification", golden_hub.GteHubModel, PooledHead)
NewForTokenClassification = head("NewForTokenClassification", golden_hub.GteHubModel, TokenHead)
NewForMaskedLM = head("NewForMaskedLM", golden_hub.GteHubModel, VocabularyHead)
JinaBertForSequenceClassification = head("JinaBertForSequenceClassification", golden_hub.JinaBertModel, PooledHead)
JinaBertForTokenClassification = head("JinaBertForTokenClassification", golden_hub.JinaBertModel, TokenHead)
XLMRobertaForSequenceClassification = head("XLMRobertaForSequenceClassification", FlashHubModel, RobertaHead)

# ------------------------------------------------------------------ the tiny models

FLASH = {"hidden_size": 24, "num_attention_heads": 3, "num_hidden_layers": 2, "intermediate_size": 37,
         "max_position_embeddings": 130, "type_vocab_size": 1, "layer_norm_eps": 1e-5, "hidden_act": "gelu",
         "position_embedding_type": "absolute", "use_flash_attn": True}


def encoder(seed, made, config, **fields):
    return EncoderSpec(made.__name__, "", seed, made.__name__, config, max_length=120, **fields)


# name, what it covers, the encoder with its head, the class, the task.
HEADS = [
    ("new_rerank", "New's pooler, as gte-multilingual-reranker's; mixed NTK scaling",
     encoder(400, NewForSequenceClassification, GTE | {
         "num_labels": 1, "type_vocab_size": 1, "rope_scaling": {"type": "ntk", "factor": 4.0, "mixed_b": 0.6}}),
     NewForSequenceClassification, "rerank"),
    ("new_tokens", "New's labels of tokens", encoder(401, NewForTokenClassification, GTE | {"type_vocab_size": 2},
                                                     types=True), NewForTokenClassification, "classify-tokens"),
    ("new_sparse", "New's masked language model, tied; ReLU", encoder(402, NewForMaskedLM, GTE | {"hidden_act": "relu"}),
     NewForMaskedLM, "sparse"),
    ("jina_bert_rerank", "JinaBERT's pooler, as jina-reranker-v1-turbo's",
     encoder(403, JinaBertForSequenceClassification, JINA | {"num_labels": 1}, types=True),
     JinaBertForSequenceClassification, "rerank"),
    ("jina_bert_tokens", "JinaBERT's labels of tokens", encoder(404, JinaBertForTokenClassification, JINA, types=True),
     JinaBertForTokenClassification, "classify-tokens"),
    ("xlm_roberta_flash_rerank", "XLM-RoBERTa by FlashAttention's names, as jina-reranker-v2",
     encoder(405, XLMRobertaForSequenceClassification, FLASH | {"num_labels": 1}, pad_id=1),
     XLMRobertaForSequenceClassification, "rerank"),
]

# ------------------------------------------------------------------ against transformers

# Names of the flash implementation as transformers has them; query, key and value apart.
RENAMED = [("emb_ln", "embeddings.LayerNorm"), ("encoder.layers.", "encoder.layer."),
           ("mixer.out_proj", "attention.output.dense"), ("norm1", "attention.output.LayerNorm"),
           ("norm2", "output.LayerNorm"), ("mlp.fc1", "intermediate.dense"), ("mlp.fc2", "output.dense")]


def as_xlm_roberta(state):
    renamed = {}
    for name, value in state.items():
        for old, new in RENAMED:
            name = name.replace(old, new)
        if "mixer.Wqkv" in name:
            for part, piece in zip(("query", "key", "value"), value.chunk(3)):
                renamed[name.replace("mixer.Wqkv", "attention.self." + part)] = piece.clone()
        else:
            renamed[name] = value
    return renamed


def as_gte(state):
    return {re.sub("^new\\.", "gte.", name): value for name, value in state.items()}


# Of those that transformers has too: NTK scaling and JinaBERT it does not have.
TWINS = {"new_tokens": (transformers.GteForTokenClassification, as_gte),
         "new_sparse": (transformers.GteForMaskedLM, as_gte),
         "xlm_roberta_flash_rerank": (transformers.XLMRobertaForSequenceClassification, as_xlm_roberta)}


@torch.inference_mode()
def check(name, model):
    if name not in TWINS:
        return
    twin_class, rename = TWINS[name]
    c, own_activation = model.config, model.config.hidden_act
    c.hidden_act = "gelu"  # GTE's masked language model has no other in its head
    fields = {key: value for key, value in c.to_dict().items()
              if key in twin_class.config_class().to_dict() and key not in ("architectures", "model_type", "dtype")}
    if twin_class is not transformers.XLMRobertaForSequenceClassification:
        fields["rope_parameters"] = {"rope_type": "default", "rope_theta": golden_hub.rope_fields(c)["rope_theta"]}
        fields.pop("rope_scaling", None)
    with tempfile.TemporaryDirectory() as folder:
        config = twin_class.config_class(**fields)
        config.architectures = [twin_class.__name__]
        config.save_pretrained(folder)
        state = {key: value.detach().clone() for key, value in model.named_parameters()}
        golden_models.save_tensors(rename(state), pathlib.Path(folder) / "model.safetensors")
        twin = twin_class.from_pretrained(folder, dtype=torch.float32).eval()
    ids = torch.arange(5, 110)[None]
    expected = twin(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    found = model(input_ids=ids).logits
    c.hidden_act = own_activation
    if not torch.allclose(expected, found, rtol=0, atol=1e-4):
        raise SystemExit(f"{name}: {twin_class.__name__} disagrees: {(expected - found).abs().max()}")
