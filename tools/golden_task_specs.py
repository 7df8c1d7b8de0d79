"""The tiny models of golden_tasks: an encoder with one head each, what it covers, and its folder's files."""

import dataclasses

import transformers

import golden_encoders
import golden_hub_heads
import golden_rotary

ENTITIES = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "MISC", "odd-ly"]


@dataclasses.dataclass(frozen=True)
class Spec:
    """An encoder of golden_encoders with one head. `folder_config` is added to the config.json that is written."""

    name: str
    about: str
    encoder: golden_encoders.EncoderSpec  # its architecture is the head's
    task: str
    folder_config: dict = dataclasses.field(default_factory=dict)
    sentence_transformers: dict | None = None  # config_sentence_transformers.json
    options: tuple = ()  # of the requests, beside none
    files: tuple = ()  # (path, JSON) of the folder, beside those that every one has
    markers: tuple = ()  # added to the vocabulary
    linear: int = 0  # outputs of a projection without a bias: "linear.weight" of the checkpoint
    hub: type | None = None  # golden_hub_heads' class, where transformers has none by these names
    tokenizer: str = ""  # a folder of tests/data/tokenizer, in the place of WordPiece

    @property
    def model_class(self):
        return self.hub or getattr(transformers, self.encoder.architecture)


BERT = golden_encoders.EncoderSpec("bert", "", 0, "BertModel", golden_encoders.BERT_LIKE, types=True, max_length=40)
# The class of transformers that a task's checkpoint is saved from.
HEADS = {"rerank": "ForSequenceClassification", "classify": "ForSequenceClassification",
         "classify-tokens": "ForTokenClassification", "sparse": "ForMaskedLM",
         "multivector": "Model", "hybrid": "Model"}


def with_head(encoder, seed, task, **config):
    return dataclasses.replace(encoder, seed=seed, architecture=encoder.architecture.replace("Model", HEADS[task]),
                               config=encoder.config | config)


def bert(seed, task, **config):
    return with_head(BERT, seed, task, **config)


MODULE = "sentence_transformers."
TRANSFORMER = {"idx": 0, "name": "0", "path": "", "type": MODULE + "base.modules.transformer.Transformer"}
IDENTITY = "torch.nn.modules.linear.Identity"
SPECS = [
    Spec("bert_rerank", "BERT's pooler and one label: a sigmoid", bert(101, "rerank", num_labels=1), "rerank",
         options=({"raw_scores": True},)),
    Spec("bert_rerank_identity", "one label, and a config that asks for the logit itself",
         bert(102, "rerank", num_labels=1, num_hidden_layers=1), "rerank",
         {"sentence_transformers": {"activation_fn": IDENTITY, "version": "5.1.0"}}),
    Spec("bert_rerank_legacy", "the activation under its old name",
         bert(103, "rerank", num_labels=1, num_hidden_layers=1), "rerank",
         {"sbert_ce_default_activation_function": IDENTITY}),
    Spec("bert_rerank_sentence_config", "the activation in config_sentence_transformers.json",
         bert(104, "rerank", num_labels=1, num_hidden_layers=1), "rerank",
         sentence_transformers={"model_type": "CrossEncoder", "prompts": {}, "default_prompt_name": None,
                                "activation_fn": IDENTITY},
         files=(("modules.json", [TRANSFORMER]),
                ("sentence_bert_config.json", {"transformer_task": "sequence-classification"}))),
    Spec("bert_softmax", "three labels",
         bert(105, "classify", id2label={0: "entailment", 1: "neutral", 2: "contradiction"},
              label2id={"entailment": 0, "neutral": 1, "contradiction": 2}), "classify",
         options=({"raw_scores": True},)),
    Spec("bert_two_labels", "a config that names no labels: LABEL_0 and LABEL_1",
         bert(106, "classify", num_hidden_layers=1), "classify"),
    Spec("bert_multi_label", "five labels that may hold at once",
         bert(107, "classify", num_labels=5, problem_type="multi_label_classification"), "classify"),
    Spec("bert_regression", "raw values",
         bert(108, "classify", num_labels=2, problem_type="regression", num_hidden_layers=1), "classify"),
    Spec("bert_one_label", "one label: a sigmoid", bert(109, "classify", num_labels=1, num_hidden_layers=1),
         "classify"),
    Spec("bert_tokens", "labels with and without B- and I-", bert(110, "classify-tokens"), "classify-tokens"),
]

def module(index, path, kind):
    return {"idx": index, "name": str(index), "path": path, "type": kind}


PYLATE_DENSE = "pylate.models.Dense.Dense"
PYLATE = [TRANSFORMER | {"type": MODULE + "models.Transformer"}, module(1, "1_Dense", PYLATE_DENSE)]
DENSE, NORMALIZE = MODULE + "base.modules.dense.Dense", MODULE + "base.modules.normalize.Normalize"
MASK = MODULE + "multi_vector_encoder.modules.multi_vector_mask.MultiVectorMask"
NATIVE = [TRANSFORMER, module(1, "1_Dense", DENSE), module(2, "2_Mask", MASK), module(3, "3_Normalize", NORMALIZE)]
CHAIN = [TRANSFORMER, module(1, "1_Dense", DENSE), module(2, "2_Normalize", NORMALIZE), module(3, "3_Dense", DENSE),
         module(4, "4_Mask", MASK)]
ON_TOKENS = {"module_input_name": "token_embeddings", "module_output_name": "token_embeddings"}


def dense_config(outputs, **more):
    return {"in_features": 24, "out_features": outputs, "bias": False,
            "activation_function": "torch.nn.modules.linear.Identity"} | more


SPECS += [
    Spec("bert_sparse", "SPLADE over a masked language model whose decoder is tied", bert(120, "sparse"), "sparse"),
    Spec("bert_sparse_twice", "a SpladePooling that takes the logarithm twice; old module files",
         bert(121, "sparse", num_hidden_layers=1), "sparse",
         sentence_transformers={"model_type": "SparseEncoder", "prompts": {"query": "", "document": ""},
                                "default_prompt_name": None, "similarity_fn_name": "dot"},
         files=(("modules.json", [TRANSFORMER | {"type": MODULE + "sparse_encoder.models.MLMTransformer"},
                                  module(1, "1_SpladePooling", MODULE + "sparse_encoder.models.SpladePooling")]),
                ("1_SpladePooling/config.json", {"pooling_strategy": "max", "activation_function": "log1p_relu",
                                                 "word_embedding_dimension": 307}))),
    Spec("colbert_stanford", "Stanford's ColBERT: HF_ColBERT and artifact.metadata; added tokens are not attended to",
         bert(130, "multivector"), "multivector", {"architectures": ["HF_ColBERT"]},
         files=(("artifact.metadata", {"query_token_id": "[unused0]", "doc_token_id": "[unused1]", "query_token": "[Q]",
                                       "doc_token": "[D]", "dim": 16, "doc_maxlen": 30, "query_maxlen": 20,
                                       "mask_punctuation": True, "attend_to_mask_tokens": False}),),
         markers=("[unused0]", "[unused1]"), linear=16),
    Spec("colbert_stanford_attended", "the same, the added tokens attended to; every document token kept",
         bert(131, "multivector", num_hidden_layers=1), "multivector", {"architectures": ["HF_ColBERT"]},
         files=(("artifact.metadata", {"query_token_id": "[unused0]", "doc_token_id": "[unused1]", "doc_maxlen": 25,
                                       "query_maxlen": 32, "mask_punctuation": False, "attend_to_mask_tokens": True}),),
         markers=("[unused0]", "[unused1]"), linear=11),
    Spec("colbert_pylate", "PyLate's files, with prompts behind the markers and a skip-list of its own",
         bert(132, "multivector"), "multivector",
         sentence_transformers={"model_type": "ColBERT", "query_prefix": "[Q] ", "document_prefix": "[D] ",
                                "query_length": 24, "document_length": 31, "do_query_expansion": True,
                                "attend_to_expansion_tokens": False, "skiplist_words": [".", ",", "the"],
                                "prompts": {"query": "ask: ", "document": ""}, "default_prompt_name": None,
                                "similarity_fn_name": "MaxSim"},
         files=(("modules.json", PYLATE), ("1_Dense/config.json", dense_config(13))),
         markers=("[Q] ", "[D] ")),
    Spec("colbert_pylate_residuals", "two of PyLate's Dense, which add their input: by a matrix, and as it is",
         bert(134, "multivector", num_hidden_layers=1), "multivector",
         sentence_transformers={"model_type": "ColBERT", "query_prefix": "[Q] ", "document_prefix": "[D] ",
                                "query_length": 20, "document_length": 30, "do_query_expansion": True,
                                "attend_to_expansion_tokens": True, "skiplist_words": ["."],
                                "prompts": {"query": "", "document": ""}, "default_prompt_name": None,
                                "similarity_fn_name": "MaxSim"},
         files=(("modules.json", PYLATE + [module(2, "2_Dense", PYLATE_DENSE)]),
                ("1_Dense/config.json", dense_config(13, bias=True, use_residual=True,
                                                     activation_function="torch.nn.modules.activation.GELU")),
                ("2_Dense/config.json", dense_config(13, in_features=13, use_residual=True))),
         markers=("[Q] ", "[D] ")),
    Spec("colbert_native", "sentence-transformers' own files: no markers, expansion to a least length, no skip-list",
         bert(133, "multivector", num_hidden_layers=1), "multivector",
         sentence_transformers={"model_type": "MultiVectorEncoder", "prompts": {"query": "query: ", "document": ""},
                                "default_prompt_name": None, "similarity_fn_name": "maxsim"},
         files=(("modules.json", NATIVE), ("1_Dense/config.json", dense_config(13, **ON_TOKENS)),
                ("2_Mask/config.json", {"skiplist_words": ["the"], "skiplist_tasks": ["query", "document"],
                                        "keep_only_token_ids": None}),
                ("3_Normalize/config.json", ON_TOKENS),
                ("sentence_bert_config.json", {"max_seq_length": 38, "do_lower_case": False, "document_length": 33,
                                               "query_expansion": {"strategy": "min", "length": 15, "attend": True,
                                                                   "token": None}}))),
    Spec("colbert_chain", "a Normalize between two Dense and none behind them; the second does not say what it works on",
         bert(135, "multivector", num_hidden_layers=1), "multivector",
         sentence_transformers={"model_type": "MultiVectorEncoder", "prompts": {"query": "query: ", "document": ""},
                                "default_prompt_name": None, "similarity_fn_name": "maxsim"},
         files=(("modules.json", CHAIN),
                ("1_Dense/config.json", dense_config(17, bias=True, use_residual=True, **ON_TOKENS)),
                ("2_Normalize/config.json", ON_TOKENS), ("3_Dense/config.json", dense_config(9, in_features=17)),
                ("4_Mask/config.json", {"skiplist_words": None, "skiplist_tasks": ["document"],
                                        "keep_only_token_ids": None}))),
    Spec("bge_m3", "bge-m3's three heads", with_head(
        next(spec for spec in golden_encoders.SPECS if spec.name == "xlm_roberta_cls"), 140, "hybrid"), "hybrid",
         files=(("modules.json", [TRANSFORMER, module(1, "1_Pooling", MODULE + "models.Pooling"),
                                  module(2, "2_Normalize", MODULE + "models.Normalize")]),
                ("1_Pooling/config.json", {"word_embedding_dimension": 40, "pooling_mode_cls_token": True,
                                           "pooling_mode_mean_tokens": False}),
                ("2_Normalize/config.json", {}))),
]

# The other encoders, each with each of its heads.
FAMILIES = ["roberta", "xlm_roberta_cls", "camembert", "distilbert", "electra", "albert", "mpnet", "deberta_v3",
            "modernbert", "eurobert", "gte_transformers"]
FAMILIES_WITHOUT_SPARSE = ["nomic_transformers"]


def family_specs():
    encoders = {spec.name: spec for spec in golden_encoders.SPECS + golden_rotary.SPECS}
    specs = []
    for index, name in enumerate(FAMILIES + FAMILIES_WITHOUT_SPARSE):
        seed, family = 200 + 10 * index, name.removesuffix("_cls").removesuffix("_transformers")
        tasks = ("rerank", "classify-tokens") if name in FAMILIES_WITHOUT_SPARSE else (
            "rerank", "classify-tokens", "sparse")
        for offset, task in enumerate(tasks):
            labels = {"num_labels": 1} if task == "rerank" else {}
            encoder = with_head(encoders[name], seed + offset, task, **labels)
            specs.append(Spec(f"{family}_{task.removeprefix('classify-')}", f"{encoder.architecture}'s head", encoder,
                              task))
    return specs


def other_encoder(name, seed, task, **config):
    specs = golden_encoders.SPECS + golden_rotary.SPECS
    return with_head(next(spec for spec in specs if spec.name == name), seed, task, **config)


SPECS += family_specs()
SPECS += [
    Spec("modernbert_mean", "a classifier over the mean of a text's tokens",
         other_encoder("modernbert", 410, "classify", num_labels=3, classifier_pooling="mean"), "classify"),
    Spec("roberta_tokens_bytes", "byte-level BPE, whose tokens begin within a character",
         dataclasses.replace(other_encoder("roberta", 411, "classify-tokens"), pad_id=0), "classify-tokens",
         tokenizer="fixture_bpe"),
    Spec("xlm_roberta_tokens_unigram", "Unigram, whose words begin with a mark",
         dataclasses.replace(other_encoder("xlm_roberta_cls", 412, "classify-tokens"), pad_id=0), "classify-tokens",
         tokenizer="fixture_unigram"),
]
SPECS += [Spec(name, about, encoder, task, hub=hub) for name, about, encoder, hub, task in golden_hub_heads.HEADS]
