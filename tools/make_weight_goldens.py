#!/usr/bin/env python3
"""Makes tests/data/weight_models (tiny random models whose weights come in other forms: LoRA adapters of peft, GPTQ's
and AWQ's codes, GGUF files) and tests/data/weight_goldens (what sentence-transformers answers with the same weights,
merged or dequantized, fp32, one text at a time). tests/data/README.md describes the files.

    tools/venv.sh goldens; build/venv/bin/pip install --no-deps peft==0.21.2 accelerate==1.15.0 psutil==7.2.2 gguf==0.19.0
    build/venv/bin/python tools/make_weight_goldens.py            # all of them
    build/venv/bin/python tools/make_weight_goldens.py NAME …     # some

Codes are packed here as the formats' descriptions say, apart from the engine's reading; GGUF's are written by the gguf
package, which also says what its blocks stand for.
"""

import json
import os
import pathlib
import shutil
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import gguf
import numpy as np
import peft
import torch
import transformers
from safetensors.numpy import load_file, save_file
from sentence_transformers import SentenceTransformer

import golden_texts
import make_goldens

DATA = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data"
MODELS = DATA / "weight_models"
TEXTS = ["bread and boats", "", "The ferry leaves the old harbour at seven.", golden_texts.long_text(7),
         golden_texts.long_text(20), "ferry ferry ferry", "\U0001f6a2 naïve 東京"]


def fresh(name):
    folder = MODELS / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def write_golden(name, model, about):
    cases = [{"text": text, "ids": [], "embedding": make_goldens.numbers(model.encode(text, show_progress_bar=False))}
             for text in TEXTS]
    (DATA / "weight_goldens").mkdir(exist_ok=True)
    made_by = make_goldens.versions() | {"script": "tools/make_weight_goldens.py", "peft": peft.__version__}
    make_goldens.write_golden(DATA / "weight_goldens" / f"{name}.json",
                              {"made_by": made_by, "about": about, "model": f"weight_models/{name}", "cases": cases})
    print(f"{name}: {len(cases)} cases", file=sys.stderr)


def load(folder):
    return SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})


# ---------------------------------------------------------------------- LoRA

def train(model, seed):
    """Numbers as if trained for every parameter that the adapter saves."""
    random = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            parameter.data += 0.3 * torch.randn(parameter.shape, generator=random)


def write_adapter(name, base, base_name, config, seed):
    """Wraps the transformer of the sentence-transformers model `base`, and merges the adapter into it."""
    folder = fresh(name)
    wrapped = peft.get_peft_model(base[0].auto_model, config)
    train(wrapped, seed)
    wrapped.save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    document = json.loads(path.read_text())
    document["base_model_name_or_path"] = base_name
    path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    (folder / "adapter_model.safetensors").chmod(0o644)
    merged = wrapped.merge_and_unload()
    assert merged is base[0].auto_model


def lora_first():
    base = load(DATA / "models/mean_normalize")
    config = peft.LoraConfig(r=3, lora_alpha=5, target_modules=["query", "value"], init_lora_weights=False,
                             rank_pattern={"layer.1.attention.self.query": 5},
                             alpha_pattern={"^encoder.layer.0.attention.self.value": 9})
    write_adapter("lora_first", base, "../../models/mean_normalize", config, 1)
    write_golden("lora_first", base, "peft's answer: patterns of ranks and alphas")


def lora_second():
    """On top of the first; more kinds of layers, whole modules, biases."""
    base = load(DATA / "models/mean_normalize")
    first = peft.PeftModel.from_pretrained(base[0].auto_model, str(MODELS / "lora_first"))
    first.merge_and_unload()
    config = peft.LoraConfig(r=4, lora_alpha=6, use_rslora=True, bias="lora_only", init_lora_weights=False,
                             target_modules=["query", "key", "dense", "word_embeddings"],
                             modules_to_save=["LayerNorm"])
    write_adapter("lora_second", base, "../lora_first", config, 2)
    write_golden("lora_second", base, "peft's answer: an adapter of an adapter, embeddings, biases, whole modules")


# ---------------------------------------------------------------------- GPTQ, AWQ

def wide_bert(name, seed):
    """A BERT whose sizes codes can be packed in: (folder, its tensors)."""
    folder = fresh(name)
    source = DATA / "models/mean_normalize"
    shutil.copytree(source, folder, dirs_exist_ok=True)
    config = transformers.BertConfig.from_pretrained(str(source), hidden_size=64, intermediate_size=96,
                                                     num_attention_heads=4)
    torch.manual_seed(seed)
    model = transformers.BertModel(config, add_pooling_layer=False)
    random = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        scale = 0.15 if parameter.dim() == 2 else 0.3
        parameter.data = scale * torch.randn(parameter.shape, generator=random)
    for key, parameter in model.named_parameters():
        if key.endswith("LayerNorm.weight"):
            parameter.data += 1
    pooling = folder / "1_Pooling/config.json"
    document = json.loads(pooling.read_text())
    for key in ("word_embedding_dimension", "embedding_dimension"):
        if key in document:
            document[key] = 64
    pooling.write_text(json.dumps(document, indent=1) + "\n")
    path = folder / "config.json"
    document = json.loads(path.read_text())
    document |= {"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4}
    path.write_text(json.dumps(document, indent=1) + "\n")
    return folder, {key: value.numpy() for key, value in model.state_dict().items()}


def set_config(folder, extra):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | extra, indent=1) + "\n")


def save(folder, tensors):
    save_file({key: np.ascontiguousarray(value) for key, value in tensors.items()}, folder / "model.safetensors",
              metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)


def golden_of(name, folder, tensors, about):
    """sentence-transformers' answer with these plain weights."""
    plain = folder.parent / (name + ".plain")
    shutil.copytree(folder, plain, dirs_exist_ok=True)
    for path in plain.glob("*.gguf"):
        path.unlink()
    config = json.loads((plain / "config.json").read_text())
    config.pop("quantization_config", None)
    (plain / "config.json").write_text(json.dumps(config))
    save(plain, tensors)
    write_golden(name, load(plain), about)
    shutil.rmtree(plain)


def is_coded(name, value):
    return value.ndim == 2 and name.startswith("encoder.")


def quantize(weight, group_of, groups, bits, symmetric):
    """codes [K, N], scales f16 [G, N], zeros [G, N] of a matrix [N, K]."""
    most = 2 ** bits - 1
    scales = np.zeros((groups, weight.shape[0]), np.float16)
    zeros = np.zeros((groups, weight.shape[0]), np.int64)
    codes = np.zeros(weight.T.shape, np.int64)
    for group in range(groups):
        part = weight[:, group_of == group]
        if symmetric:
            scale = np.abs(part).max(axis=1) / (most // 2)
            zero = np.full(weight.shape[0], 2 ** (bits - 1))
        else:
            low, high = np.minimum(part.min(axis=1), 0), np.maximum(part.max(axis=1), 0)
            scale = (high - low) / most
            zero = np.clip(np.rint(-low / scale), 1, most).astype(np.int64)
        scales[group] = scale
        zeros[group] = zero
        codes[group_of == group] = np.clip(np.rint(part.T / scales[group].astype(np.float32)) + zero, 0, most)
    return codes, scales, zeros


def pack(codes, bits, axis, order=None):
    """Words of 32 bits along an axis; `order`: which of a word's values comes where."""
    per_word = 32 // bits
    codes = np.moveaxis(codes, axis, -1)
    words = codes.reshape(*codes.shape[:-1], -1, per_word)
    if order is not None:
        words = words[..., order]
    packed = np.zeros(words.shape[:-1], np.uint32)
    for i in range(per_word):
        packed |= words[..., i].astype(np.uint32) << np.uint32(i * bits)
    return np.moveaxis(packed.view(np.int32), -1, axis)


def coded_model(name, seed, bits, group_size, awq=False, symmetric=False, act_order=False):
    folder, tensors = wide_bert(name, seed)
    random = np.random.default_rng(seed)
    stored, plain = {}, dict(tensors)
    for key, value in tensors.items():
        if not is_coded(key, value):
            stored[key] = value
            continue
        inputs = value.shape[1]
        size = inputs if group_size == -1 else group_size
        group_of = np.arange(inputs) // size
        if act_order:
            group_of = random.permutation(group_of)
        groups = int(group_of.max()) + 1
        codes, scales, zeros = quantize(value, group_of, groups, bits, symmetric)
        number = scales.astype(np.float32)[group_of] * (codes - zeros[group_of]).astype(np.float32)
        plain[key] = np.ascontiguousarray(number.T)
        module = key.removesuffix(".weight")
        stored[module + ".scales"] = scales
        if awq:
            order = [0, 2, 4, 6, 1, 3, 5, 7]
            stored[module + ".qweight"] = pack(codes, bits, 1, order)
            stored[module + ".qzeros"] = pack(zeros, bits, 1, order)
        else:
            stored[module + ".qweight"] = pack(codes, bits, 0)
            stored[module + ".qzeros"] = pack(zeros - 1, bits, 1)
            stored[module + ".g_idx"] = group_of.astype(np.int32)
    config = {"quant_method": "awq", "bits": bits, "group_size": group_size, "zero_point": True, "version": "gemm"} \
        if awq else {"quant_method": "gptq", "bits": bits, "group_size": group_size, "desc_act": act_order,
                     "sym": symmetric}
    set_config(folder, {"quantization_config": config})
    save(folder, stored)
    golden_of(name, folder, plain, f"the answer with the numbers that the codes of {name} stand for")


# ---------------------------------------------------------------------- GGUF

def gguf_names():
    names = {"embeddings.word_embeddings": "token_embd", "embeddings.position_embeddings": "position_embd",
             "embeddings.token_type_embeddings": "token_types", "embeddings.LayerNorm": "token_embd_norm"}
    for layer in range(2):
        for transformers_name, name in (
                ("attention.self.query", "attn_q"), ("attention.self.key", "attn_k"),
                ("attention.self.value", "attn_v"), ("attention.output.dense", "attn_output"),
                ("attention.output.LayerNorm", "attn_output_norm"), ("intermediate.dense", "ffn_up"),
                ("output.dense", "ffn_down"), ("output.LayerNorm", "layer_output_norm")):
            names[f"encoder.layer.{layer}.{transformers_name}"] = f"blk.{layer}.{name}"
    return names


def add_tensor(writer, name, value, kind):
    """Adds it in blocks of `kind`; answers the numbers that those stand for."""
    if kind is None:
        writer.add_tensor(name, np.ascontiguousarray(value, np.float32))
        return value
    blocks = gguf.quants.quantize(np.ascontiguousarray(value, np.float32), kind)
    if kind in (gguf.GGMLQuantizationType.F16, gguf.GGMLQuantizationType.BF16):
        writer.add_tensor(name, blocks, raw_dtype=kind)
    else:
        writer.add_tensor(name, blocks, raw_shape=blocks.shape, raw_dtype=kind)
    return gguf.quants.dequantize(blocks, kind)


def gguf_bert():
    folder, tensors = wide_bert("gguf_bert", 31)
    kinds = [gguf.GGMLQuantizationType.Q4_0, gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.F16,
             gguf.GGMLQuantizationType.BF16]
    vocabulary = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    tokens = sorted(vocabulary, key=vocabulary.get)
    writer = gguf.GGUFWriter(folder / "model.gguf", "bert")
    writer.add_context_length(48)
    writer.add_embedding_length(64)
    writer.add_block_count(2)
    writer.add_feed_forward_length(96)
    writer.add_head_count(4)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_tokenizer_model("bert")
    writer.add_token_type_count(2)
    writer.add_token_list([token if token.startswith("[") and token.endswith("]")
                           else token[2:] if token.startswith("##") else "\u2581" + token for token in tokens])
    writer.add_token_types([3 if token.startswith("[") and token.endswith("]") and len(token) > 2 else 1
                            for token in tokens])
    writer.add_bos_token_id(vocabulary["[CLS]"])
    writer.add_sep_token_id(vocabulary["[SEP]"])
    writer.add_unk_token_id(vocabulary["[UNK]"])
    writer.add_pad_token_id(vocabulary["[PAD]"])
    plain = dict(tensors)
    coded = 0
    for key, name in gguf_names().items():
        for suffix in (".weight", ".bias"):
            if key + suffix not in tensors:
                continue
            kind = None
            if is_coded(key, tensors[key + suffix]):
                kind = kinds[coded % len(kinds)]
                coded += 1
            if key == "embeddings.word_embeddings":
                kind = gguf.GGMLQuantizationType.Q8_0
            plain[key + suffix] = add_tensor(writer, name + suffix, tensors[key + suffix], kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    # The file says how long a text may be, and that alone.
    for name, key in (("sentence_bert_config.json", "max_seq_length"), ("tokenizer_config.json", "model_max_length")):
        document = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(document | {key: 48}))
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps(modules[:2]))  # the file says a pooling and no more
    golden_of("gguf_bert", folder, plain, "the answer with the numbers that the blocks of the GGUF file stand for")
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            path.rmdir()
        elif path.suffix != ".gguf":
            path.unlink()


def gguf_blocks():
    """A tensor of each type of blocks, and the numbers they stand for by the gguf package."""
    folder = fresh("gguf_blocks")
    random = np.random.default_rng(5)
    writer = gguf.GGUFWriter(folder / "blocks.gguf", "none")
    numbers = {}
    for name, kind in (("q4_0", "Q4_0"), ("q8_0", "Q8_0"), ("q4_k", "Q4_K"), ("q6_k", "Q6_K")):
        kind = gguf.GGMLQuantizationType[kind]
        elements, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = random.integers(0, 256, (3, 512 // elements * size), dtype=np.uint8)
        scales = random.normal(0, 0.1, (3, 512 // elements, 2)).astype(np.float16).view(np.uint8)
        shaped = blocks.reshape(3, -1, size)
        if name == "q6_k":
            shaped[..., -2:] = scales[..., :2]
        elif name == "q4_k":
            shaped[..., :4] = scales
        else:
            shaped[..., :2] = scales[..., :2]
        writer.add_tensor(name, blocks, raw_shape=blocks.shape, raw_dtype=kind)
        numbers[name] = gguf.quants.dequantize(blocks, kind)
    writer.add_tensor("q5_k", np.zeros((1, 176), np.uint8), raw_shape=(1, 176),
                      raw_dtype=gguf.GGMLQuantizationType.Q5_K)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file(numbers, folder / "numbers.safetensors")
    (folder / "numbers.safetensors").chmod(0o644)


WRITERS = {
    "lora_first": lora_first,
    "lora_second": lora_second,
    "gptq4": lambda: coded_model("gptq4", 21, 4, 32),
    "gptq4_order": lambda: coded_model("gptq4_order", 22, 4, 16, act_order=True),
    "gptq8": lambda: coded_model("gptq8", 23, 8, -1, symmetric=True),
    "awq": lambda: coded_model("awq", 24, 4, 32, awq=True),
    "gguf_bert": gguf_bert,
    "gguf_blocks": gguf_blocks,
}


def main():
    torch.set_num_threads(1)
    for name in sys.argv[1:] or WRITERS:
        WRITERS[name]()


if __name__ == "__main__":
    main()
