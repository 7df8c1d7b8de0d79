"""GGUF files with the weights of a folder that decoders.py made, beside them: llama.cpp reads no other form, and codes of
few bits are read from them by both sides."""

import json
import pathlib

import module_files

PLAIN = ("f32", "bf16")
# Names of llama.cpp's enum llama_ftype, of those that it quantizes to itself.
QUANTIZED = {"q8_0": "LLAMA_FTYPE_MOSTLY_Q8_0", "q4_0": "LLAMA_FTYPE_MOSTLY_Q4_0",
             "q4_k_m": "LLAMA_FTYPE_MOSTLY_Q4_K_M"}
ARCHITECTURES = {"qwen3": "qwen3", "mistral": "llama"}
LAST_TOKEN = 3  # llama.cpp's enum llama_pooling_type
NORMAL, CONTROL, UNUSED = 1, 3, 5  # its enum llama_token_type


def path_of(folder, form):
    """The file in a form of PLAIN or QUANTIZED; made when it is missing."""
    target = pathlib.Path(folder) / "gguf" / f"{form}.gguf"
    if not target.exists():
        target.parent.mkdir(exist_ok=True)
        scratch = target.with_suffix(".part")
        if form in PLAIN:
            write(pathlib.Path(folder), scratch, form)
        else:
            quantize(path_of(folder, "bf16"), scratch, QUANTIZED[form])
        scratch.rename(target)
    return target


def quantize(source, target, file_type):
    import llama_cpp
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = getattr(llama_cpp, file_type)
    if llama_cpp.llama_model_quantize(str(source).encode(), str(target).encode(), parameters) != 0:
        raise RuntimeError(f"llama.cpp does not quantize {source}")


def write(folder, target, form):
    """Tensor by tensor, in the file's order: no more than one is in memory."""
    import gguf
    config = json.loads((folder / "config.json").read_text())
    architecture = ARCHITECTURES[config["model_type"]]
    writer = gguf.GGUFWriter(target, architecture)
    add_sizes(writer, config, architecture)
    add_vocabulary(writer, folder)
    tensors = list(read_names(folder, config, architecture))
    for entry in tensors:
        entry.declare(writer, form)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for entry in tensors:
        writer.write_tensor_data(entry.values(form))
    writer.close()


def add_sizes(writer, config, architecture):
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_vocab_size(config["vocab_size"])
    if architecture == "llama":
        writer.add_rope_dimension_count(config["head_dim"])
    writer.add_uint32(f"{architecture}.pooling_type", LAST_TOKEN)


def add_vocabulary(writer, folder):
    """The folder's WordPiece, spelled as llama.cpp has it."""
    words = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    ids = {word: i for i, word in enumerate(words)}
    tokens, kinds = [], []
    for word in words:
        special = word.startswith("[") and word.endswith("]")
        tokens.append(word if special else word[2:] if word.startswith("##") else "\u2581" + word)
        kinds.append(UNUSED if word.startswith(module_files.NO_WORD) else CONTROL if special else NORMAL)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(ids["[CLS]"])
    writer.add_eos_token_id(ids["[SEP]"])
    writer.add_unk_token_id(ids["[UNK]"])
    writer.add_sep_token_id(ids["[SEP]"])
    writer.add_pad_token_id(ids["[PAD]"])
    writer.add_mask_token_id(ids["[MASK]"])


def read_names(folder, config, architecture):
    import gguf
    kinds = {name: kind for kind, name in gguf.MODEL_ARCH_NAMES.items()}
    names = gguf.get_tensor_name_map(kinds[architecture], config["num_hidden_layers"])
    index = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
    for name, file in index.items():
        heads = {"q_proj": "num_attention_heads", "k_proj": "num_key_value_heads"}.get(name.split(".")[-2])
        permuted = config[heads] if heads and architecture == "llama" else 0
        yield Tensor(folder / file, name, names.get_name("model." + name, try_suffixes=(".weight",)), permuted)


class Tensor:
    """`permuted`: of so many heads whose halves ggml's first rotary kind has side by side, row by row; 0: of none."""

    def __init__(self, file, name, name_in_gguf, permuted):
        self.file, self.name, self.name_in_gguf, self.permuted = file, name, name_in_gguf, permuted

    def declare(self, writer, form):
        import gguf
        import numpy as np
        import safetensors
        with safetensors.safe_open(self.file, "pt") as file:
            shape = file.get_slice(self.name).get_shape()
        wide = form == "f32" or len(shape) == 1  # norms stay f32
        kind = gguf.GGMLQuantizationType.F32 if wide else gguf.GGMLQuantizationType.BF16
        dtype = np.dtype(np.float32 if wide else np.uint16)
        writer.add_tensor_info(self.name_in_gguf, shape, dtype, int(np.prod(shape)) * dtype.itemsize, raw_dtype=kind)

    def values(self, form):
        import numpy as np
        import safetensors
        import torch
        with safetensors.safe_open(self.file, "pt") as file:
            tensor = file.get_tensor(self.name)
        if self.permuted:
            tensor = tensor.reshape(self.permuted, 2, -1, tensor.shape[1]).transpose(1, 2).reshape(tensor.shape)
        if form == "f32" or tensor.dim() == 1:
            return tensor.float().numpy()
        return tensor.contiguous().view(torch.int16).numpy().view(np.uint16)
