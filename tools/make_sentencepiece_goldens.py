#!/usr/bin/env python3
"""Makes tests/data/tokenizer/sentencepiece/ (small models trained on our own sentences) and goldens_sentencepiece.json:
what the Hugging Face `tokenizers` package answers for the tokenizers that transformers makes of them, and for the real
ones of XLM-R, T5 and Mistral.

  tools/make_sentencepiece_goldens.py [--data ../shared/data]
"""
import argparse
import gzip
import json
import pathlib
import shutil
import tempfile
import types

import sentencepiece
import transformers
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers.convert_slow_tokenizer import DebertaV2Converter

import golden_texts
from make_tokenizer_goldens import (HOSTILE, OUT, PAIRS, ROOT, SENTENCES, add_real_texts, case, decodings, detailed_cases,
                                    versions, write)

MODELS = OUT / "sentencepiece"

# Keys of one and of several code points, a longer key behind a shorter one, replacements that are longer, shorter, empty.
RULES = {"…": "...", "™": "TM", "ﬁ": "fi", "①": "1", "½": "1⁄2", "ﷺ": "صلى الله عليه وسلم", "e\u0301": "é", "A\u030a": "Å",
         "\u212b": "Å", "\u0958": "\u0915\u093c", "\u200b": "", "\x07": "", "\t": " ", "\n": " ", "\r": " ", "\u3000": " ",
         "\u00a0": " ", "\u2581": " ", "\U0001d165": "\U0001d158\U0001d165", "🄰": "A",
         **{chr(0xFF01 + i): chr(0x21 + i) for i in range(94)}}

# What is particular to sentencepiece's kind, beside the hostile strings of all.
TEXTS = [b" hello", b"hello ", b"a  b   c", "▁x ▁ ▁▁y".encode(), b"<0x41><0x0A>", "…™ ｆｕｌｌ ﬁne ½ ①\u0301 A\u030a".encode(),
         "\u200bzero\u200b \x07bell x\x07".encode(), "ﷺ ﷺ".encode(), "क़\u0301 \U0001d165\U0001d165 🄰🄰".encode(), b"\r\n\r\n x\r",
         b"<s>a</s> b<pad>", b"x <mask> y  <mask>", b"[CLS] a [MASK]  b[SEP]", b"<extra_id_0> b<extra_id_5>", b"``quoted''",
         "Café CAFÉ cafe\u0301 naïve".encode(), b"a.b,c (d)", "北京 unbekannt ж🙂🙂ж".encode(), b"user<sep>defined <sep>",
         b"   ", b"one two three four five six seven eight nine ten"]


def train(name, **options):
    corpus = golden_texts.corpus() + SENTENCES
    with tempfile.TemporaryDirectory() as folder:
        rules = pathlib.Path(folder, "rules.tsv")
        code_points = lambda text: " ".join(f"{ord(c):X}" for c in text)
        rules.write_text("".join(f"{code_points(key)}\t{code_points(value)}\n" for key, value in sorted(RULES.items())))
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(corpus), model_prefix=f"{folder}/m", hard_vocab_limit=False, num_threads=1, minloglevel=2,
            character_coverage=0.99, normalization_rule_tsv=str(rules), user_defined_symbols=["<sep>"], **options)
        model = sentencepiece_model_pb2.ModelProto.FromString(pathlib.Path(folder, "m.model").read_bytes())
    for spec, fields in ((model.trainer_spec, ("input", "model_prefix")), (model.normalizer_spec, ("normalization_rule_tsv",))):
        for field in fields:
            spec.ClearField(field)
    MODELS.mkdir(parents=True, exist_ok=True)
    (MODELS / f"{name}.model").write_bytes(model.SerializeToString(deterministic=True))
    return model


def train_models():
    unigram = {"model_type": "unigram", "vocab_size": 400}
    train("fairseq", **unigram)  # <unk> <s> </s>
    train("t5", pad_id=0, eos_id=1, unk_id=2, bos_id=-1, **unigram)
    train("bert", pad_id=0, unk_id=1, bos_id=2, eos_id=3, bos_piece="[CLS]", eos_piece="[SEP]", control_symbols=["[MASK]"], **unigram)
    train("deberta", pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]",
          unk_piece="[UNK]", **unigram)
    train("llama", model_type="bpe", vocab_size=600, byte_fallback=True)
    train("gemma", model_type="bpe", vocab_size=600, byte_fallback=True, pad_id=0, eos_id=1, bos_id=2, unk_id=3,
          bos_piece="<bos>", eos_piece="<eos>", control_symbols=["<mask>"])


def flags(content, **other):
    return {"__type": "AddedToken", "content": content, "lstrip": False, "rstrip": False, "single_word": False, "normalized": False} | other


MASK = flags("<mask>", lstrip=True, special=True)
# name: (model, its file's name in the folder, the folder's other files)
FAMILIES = {
    "xlm_roberta": ("fairseq", "sentencepiece.bpe.model", {
        "config.json": {"model_type": "xlm-roberta"}, "tokenizer_config.json": {"mask_token": MASK}}),
    "xlm_roberta_no_prefix": ("fairseq", "sentencepiece.bpe.model", {
        "tokenizer_config.json": {"tokenizer_class": "XLMRobertaTokenizer", "add_prefix_space": False, "mask_token": MASK,
                                  "additional_special_tokens": ["<query>"]},
        "added_tokens.json": {"<word>": 403, "<other>": 402}}),
    "camembert": ("fairseq", "sentencepiece.bpe.model", {
        "config.json": {"model_type": "camembert"}, "tokenizer_config.json": {"tokenizer_class": "CamembertTokenizer"}}),
    "t5": ("t5", "spiece.model", {"config.json": {"model_type": "t5"}}),
    "t5_few_extra": ("t5", "spiece.model", {
        "tokenizer_config.json": {"tokenizer_class": "T5TokenizerFast", "extra_ids": 6}}),
    "albert": ("bert", "spiece.model", {
        "config.json": {"model_type": "albert"},
        "special_tokens_map.json": {"mask_token": flags("[MASK]", lstrip=True), "cls_token": "[CLS]"},
        "tokenizer_config.json": {"mask_token": flags("[MASK]", lstrip=True, special=True)}}),
    "albert_cased": ("bert", "spiece.model", {
        "tokenizer_config.json": {"tokenizer_class": "AlbertTokenizer", "do_lower_case": False, "keep_accents": True,
                                  "mask_token": flags("[MASK]", lstrip=True, special=True)}}),
    "deberta": ("deberta", "spm.model", {"config.json": {"model_type": "deberta-v2"}}),
    "deberta_lower_punctuation": ("deberta", "spm.model", {
        "tokenizer_config.json": {"tokenizer_class": "DebertaV2Tokenizer", "do_lower_case": True, "split_by_punct": True}}),
    "llama": ("llama", "tokenizer.model", {
        "tokenizer_config.json": {"tokenizer_class": "LlamaTokenizer", "legacy": False, "add_bos_token": True, "add_eos_token": False}}),
    "llama_legacy_eos": ("llama", "tokenizer.model", {
        "tokenizer_config.json": {"tokenizer_class": "LlamaTokenizer", "legacy": True, "add_bos_token": True, "add_eos_token": True,
                                  "pad_token": "<pad>"}}),
    "gemma": ("gemma", "tokenizer.model", {
        "tokenizer_config.json": {"tokenizer_class": "GemmaTokenizer", "add_bos_token": True, "add_eos_token": True}}),
}


def deberta(folder, config):
    """The converter's, not DebertaV2Tokenizer of transformers 5: that leaves the model's charsmap out."""
    slow = types.SimpleNamespace(vocab_file=str(folder / "spm.model"), do_lower_case=config.get("do_lower_case", False),
                                 split_by_punct=config.get("split_by_punct", False))
    special = ["[CLS]", "[SEP]", "[UNK]", "[PAD]", "[MASK]"]
    pieces = sentencepiece.SentencePieceProcessor(model_file=slow.vocab_file)
    slow.convert_tokens_to_ids = pieces.piece_to_id
    tokenizer = DebertaV2Converter(slow).converted()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return tokenizer


def family_tokenizer(name):
    model, file, others = FAMILIES[name]
    with tempfile.TemporaryDirectory() as path:
        folder = pathlib.Path(path)
        shutil.copy(MODELS / f"{model}.model", folder / file)
        for other, content in others.items():
            (folder / other).write_text(json.dumps(content))
        if name.startswith("deberta"):
            tokenizer = deberta(folder, others.get("tokenizer_config.json", {}))
        else:
            tokenizer = transformers.AutoTokenizer.from_pretrained(path).backend_tokenizer
        if name.startswith("albert"):  # transformers 5 forgets lstrip where the model has the token; tokenizer.json has it
            tokenizer.add_special_tokens([AddedToken("[MASK]", lstrip=True, normalized=False)])
    files = {file: {"fixture": f"tokenizer/sentencepiece/{model}.model"}}
    files |= {other: {"text": json.dumps(content)} for other, content in others.items()}
    return tokenizer, {"name": f"spm_{name}", "files": files}


def json_fixture():
    """A Unigram tokenizer.json with what the folders have not: byte fallback, an unknown in the middle, Nmt, spaces as words."""
    model = sentencepiece_model_pb2.ModelProto.FromString((MODELS / "fairseq.model").read_bytes())
    pieces = [(piece.piece, piece.score) for piece in model.pieces]
    pieces += [(f"<0x{byte:02X}>", -20.0) for byte in range(256)] + [("▁the", -30.0), ("XY", -18.5), ("Y", -9.25), ("X", -9.25)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Nmt(), normalizers.Precompiled(model.normalizer_spec.precompiled_charsmap),
        normalizers.Strip(left=False, right=True), normalizers.Replace(Regex(" {2,}"), "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(replacement="▁", prepend_scheme="first")])
    tokenizer.add_special_tokens([AddedToken("<s>"), AddedToken("<mask>", lstrip=True)])
    tokenizer.add_tokens([AddedToken("added…", normalized=True)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B:1", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))])
    path = OUT / "fixture_unigram/tokenizer.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path), pretty=False)
    return Tokenizer.from_file(str(path))


def real_folders(data):
    """(folder as the test makes it, the tokenizer whose answers it must give)"""
    folder = data / "tokenizers"
    xlm_roberta = Tokenizer.from_buffer(gzip.open(folder / "xlm-roberta/tokenizer.json.gz").read())
    t5 = Tokenizer.from_file(str(folder / "t5/tokenizer.json"))
    mistral = Tokenizer.from_file(str(folder / "mistral-v0.1/tokenizer.json"))
    config = lambda kind: {"config.json": {"text": json.dumps({"model_type": kind})}}
    for name, tokenizer, files in (
            ("xlm-roberta json", xlm_roberta, {"tokenizer.json": {"data": "tokenizers/xlm-roberta/tokenizer.json.gz"}}),
            ("xlm-roberta model", xlm_roberta, {
                "sentencepiece.bpe.model": {"data": "tokenizers/xlm-roberta/sentencepiece.bpe.reconstructed.model"}} | config("xlm-roberta")),
            ("t5 json", t5, {"tokenizer.json": {"data": "tokenizers/t5/tokenizer.json"}}),
            ("t5 model", t5, {"spiece.model": {"data": "tokenizers/t5/spiece.model"}} | config("t5")),
            ("mistral model", mistral, {"tokenizer.model": {"data": "tokenizers/mistral-v0.1/tokenizer.model"}} | config("mistral"))):
        yield {"name": name, "files": files}, tokenizer


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, default=ROOT / "../shared/data")
    parser.add_argument("--keep-models", action="store_true", help="the fixtures' models as they are: only ask for answers")
    arguments = parser.parse_args()
    if not arguments.keep_models:
        train_models()
    goldens = {"made_by": "tools/make_sentencepiece_goldens.py", "versions": versions(sentencepiece),
               "folders": [], "cases": [], "decodings": [], "files": []}
    fixture = json_fixture()
    goldens["cases"] += detailed_cases("fixture_unigram", fixture, thorough=True)
    goldens["cases"] += [case("fixture_unigram", fixture, text) for text in TEXTS + [b"XY XX YX Xthe the", "eadded… added...".encode()]]
    goldens["decodings"] += decodings("fixture_unigram", fixture)
    for name in FAMILIES:
        tokenizer, folder = family_tokenizer(name)
        goldens["folders"].append(folder)
        name = folder["name"]
        goldens["cases"] += [case(name, tokenizer, text) for text in TEXTS]
        goldens["cases"] += [case(name, tokenizer, *pair) for pair in PAIRS[:3]]
        goldens["cases"] += [case(name, tokenizer, TEXTS[-1], max_length=7, left=left) for left in (False, True)]
        for text in TEXTS:
            ids = tokenizer.encode(text.decode(errors="replace")).ids
            for skip in (False, True):
                goldens["decodings"].append({"tokenizer": name, "ids": ids, "skip_special": skip, "text": tokenizer.decode(ids, skip)})
    for folder, tokenizer in real_folders(arguments.data):
        goldens["folders"].append(folder)
        goldens["cases"] += [case(folder["name"], tokenizer, text)
                             for text in TEXTS + (HOSTILE if folder["name"].endswith("json") else [])]
        add_real_texts(goldens, folder["name"], tokenizer, arguments.data)
    write(goldens, OUT / "goldens_sentencepiece.json")


if __name__ == "__main__":
    main()
