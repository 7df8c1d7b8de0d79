#!/usr/bin/env python3
"""Writes a small seed corpus for each fuzz program: make_seeds.py FOLDER -> FOLDER/<program>/<seed>.

Seeds are small on purpose (a fuzzer mutates small inputs best) and come from the project's own fixtures.
"""

import json
import pathlib
import struct
import sys

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"


def safetensors(tensors, metadata=None):
    """A well-formed file: {name: (dtype, shape, bytes)}."""
    header, data = {}, b""
    if metadata:
        header["__metadata__"] = metadata
    for name, (dtype, shape, values) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def safetensors_seeds():
    two = safetensors({"a.weight": ("F32", [2, 3], bytes(24)), "a.bias": ("BF16", [3], bytes(6))}, {"format": "pt"})
    yield "two", two
    yield "empty", safetensors({})
    yield "scalar", safetensors({"s": ("F64", [], bytes(8)), "i": ("I64", [1], bytes(8))})
    yield "zero_size", safetensors({"z": ("F16", [0, 7], b"")})
    yield "truncated", two[:-5]
    yield "lying_length", struct.pack("<Q", 1 << 60) + two[8:]


def small_tokenizer():
    tokenizer = json.loads((DATA / "models/mean_normalize/tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = tokenizer["model"]["vocab"]
    tokenizer["model"]["vocab"] = {token: index for token, index in vocabulary.items() if index < 40}
    return tokenizer


def bpe_tokenizer():
    regex = r"(?i:'s|'t)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|\s+(?!\S)|\s+"
    return {"version": "1.0", "normalizer": {"type": "Replace", "pattern": {"Regex": "a{2,}"}, "content": "a"},
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": regex}, "behavior": "MergedWithNext", "invert": True},
                {"type": "Digits", "individual_digits": True}, {"type": "ByteLevel", "add_prefix_space": True}]},
            "post_processor": {"type": "ByteLevel", "trim_offsets": True},
            "decoder": {"type": "Sequence", "decoders": [{"type": "ByteLevel"}, {"type": "Strip", "content": " ", "start": 1, "stop": 1}]},
            "model": {"type": "BPE", "unk_token": "a", "fuse_unk": True, "byte_fallback": True, "continuing_subword_prefix": "",
                      "end_of_word_suffix": "", "merges": ["a b", ["ab", "ab"]], "vocab": {"a": 0, "b": 1, "ab": 2, "abab": 3}}}


def tokenizer_json_seeds():
    tokenizer = small_tokenizer()
    yield "wordpiece", dump(tokenizer)
    bare = {"version": "1.0", "model": {"type": "WordPiece", "unk_token": "[UNK]", "vocab": {"[UNK]": 0, "a": 1}}}
    yield "bare", dump(bare)
    parts = tokenizer | {
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "NFD"}, {"type": "Lowercase"}, {"type": "StripAccents"},
            {"type": "Replace", "pattern": {"String": "a"}, "content": "b"}]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "WhitespaceSplit"}, {"type": "Punctuation", "behavior": "Isolated"}]},
    }
    yield "sequences", dump(parts)
    yield "bpe", dump(bpe_tokenizer())


def fields(message):
    """(number, value) of a protobuf message, as far as ours have them: bytes, or the bits of a number."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        tag = varint()
        size = {0: 0, 5: 4}[tag & 7] if tag & 7 != 2 else varint()
        value = varint() if tag & 7 == 0 else message[at:at + size]
        at += size
        yield tag >> 3, value


def field(number, content):
    size = len(content)
    return bytes([number << 3 | 2]) + (bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])) + content


def sentencepiece_seeds():
    """The fixtures with few pieces, and their charsmap alone."""
    for name in ("t5", "llama"):
        parts = list(fields((DATA / f"tokenizer/sentencepiece/{name}.model").read_bytes()))
        pieces = [part for part in parts if part[0] == 1]
        few = pieces[:40] if name == "t5" else pieces[:3] + pieces[259:290]
        others = [part for part in parts if part[0] in (2, 3)]
        yield name, b"".join(field(*part) for part in few + others)
    charsmap = next(value for number, value in fields(others_of("t5")) if number == 2)
    yield "charsmap", charsmap
    yield "cut", charsmap[:len(charsmap) // 2]


def others_of(name):
    return next(value for number, value in fields((DATA / f"tokenizer/sentencepiece/{name}.model").read_bytes()) if number == 3)


def dump(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def body_seeds():
    bodies = {
        "one": {"inputs": "a text"},
        "many": {"inputs": ["a", "b", ""], "normalize": False, "truncate": True, "dimensions": 8},
        "ids": {"inputs": [101, 7592, 102]},
        "batch_ids": {"inputs": [[101, 102], [101]], "truncation_direction": "Left", "prompt_name": None},
        "mixed": {"inputs": ["a", [1, 2]]},
        "openai": {"input": ["a"], "model": "m", "encoding_format": "base64", "dimensions": 8, "user": "u"},
        "openai_ids": {"input": [[1, 2, 3]], "encoding_format": "float"},
        "tokenize": {"inputs": "x", "add_special_tokens": False},
        "decode": {"ids": [[1, 2], [3]], "skip_special_tokens": True},
    }
    for name, body in bodies.items():
        yield name, dump(body)
    yield "escape", b'{"inputs":"\\ud83d\\ude00 \\u0000 \\n"}'
    yield "broken", b'{"inputs": ["a", '
    yield "deep", b"[" * 80


def torch_file_seeds():
    for path in sorted((DATA / "torch").glob("*.pt")):
        yield path.stem, path.read_bytes()


def gguf(keys, tensors):
    """A well-formed file: {key: value}, {name: (type, [innermost dimension, ...], bytes)}."""
    def text(value):
        raw = value.encode()
        return struct.pack("<Q", len(raw)) + raw

    def value(content):
        if isinstance(content, str):
            return struct.pack("<I", 8) + text(content)
        if isinstance(content, float):
            return struct.pack("<If", 6, content)
        if isinstance(content, list):
            kind = 8 if isinstance(content[0], str) else 6
            items = b"".join(text(item) if kind == 8 else struct.pack("<f", item) for item in content)
            return struct.pack("<IIQ", 9, kind, len(content)) + items
        return struct.pack("<II", 4, content)

    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys))
    head += b"".join(text(key) + value(content) for key, content in keys.items())
    data = b""
    for name, (kind, dims, content) in tensors.items():
        head += text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, len(data))
        data += content + bytes(-len(content) % 32)
    return head + bytes(-len(head) % 32) + data


def gguf_seeds():
    blocks = {"a": (2, [32, 2], bytes(36)), "b": (8, [32, 1], bytes(34)), "c": (12, [256, 1], bytes(144)),
              "d": (14, [256, 1], bytes(210)), "e": (0, [3, 2], bytes(24)), "f": (1, [2], bytes(4)), "g": (13, [256], b"")}
    yield "blocks", gguf({"a": "b", "c": [1.5], "d": ["x", "y"]}, blocks)
    keys = {"general.architecture": "llama", "llama.embedding_length": 8, "llama.block_count": 1,
            "llama.feed_forward_length": 3, "llama.context_length": 64, "llama.attention.head_count": 2,
            "llama.attention.layer_norm_rms_epsilon": 1e-5, "tokenizer.ggml.model": "llama"}
    tensors = {"token_embd.weight": (0, [8, 5], bytes(160)), "blk.0.attn_q.weight": (0, [8, 8], bytes(256)),
               "blk.0.attn_norm.weight": (0, [8], bytes(32)), "rope_freqs.weight": (0, [2], struct.pack("<2f", 1, 8))}
    yield "llama", gguf(keys, tensors)
    yield "truncated", gguf(keys, tensors)[:-20]


def gguf_vocabulary_seeds():
    yield "llama", dump({"model": "llama", "tokens": ["<unk>", "<s>", "\u2581", "t", "h", "th", "\u2581th"],
                         "scores": [0.0, 0.0, -1.0, -2.0, -3.0, -1.5, -1.2], "token_type": [2, 3, 1, 1, 1, 1, 1],
                         "bos_token_id": 1, "unknown_token_id": 0})
    yield "gpt2", dump({"model": "gpt2", "pre": "qwen2", "tokens": ["a", "b", "ab"], "merges": ["a b"],
                        "token_type": [1, 1, 1]})
    yield "bert", dump({"model": "bert", "tokens": ["[CLS]", "[SEP]", "[UNK]", "\u2581the", "e"], "cls_token_id": 0,
                        "seperator_token_id": 1})


def jinja_seeds():
    """A template, and behind a NUL byte what it reads."""
    templates = {
        "select": "{{ messages | selectattr('role', 'eq', 'query') | map(attribute='content') | first | default('none') }}",
        "loop": "{%- for m in messages if m.role != 'x' -%}\n{{ loop.index }}{{ m['content'] | trim }}{% else %}-{% endfor %}",
        "namespace": "{% set ns = namespace(x='a', n=0) %}{% for i in range(3) %}{% set ns.x = ns.x ~ i %}{% endfor %}{{ ns.x }}",
        "methods": "{{ ' a b '.strip().split(' ') | join('-') }}{{ 'aXb'.replace('X', 'y').upper() }}{{ bos_token.startswith(('<', 'x')) }}",
        "arithmetic": "{{ (1 + 2) * 3 // 2 % 4 - -1 }}{{ 1 < n and n >= 2 or not n == 3 }}{{ 'q' in 'query' }}",
        "items": "{% for k, v in {'a': 1, 'b': [2, 'x']}.items() %}{{ k }}={{ v is sequence }};{% endfor %}{{ {'a': 1}.get('z', 'd') }}",
        "slices": "{{ messages[1:] | length }}{{ 'h\u00f6chst'[-3:] }}{{ messages[-1].role }}{{ 'x' if n else 'y' }}",
        "paths": "{{ [{'a': {'b': [5]}}] | map(attribute='a.b.0') | list | length }}{{ missing }}{{ missing is defined }}",
        "raise": "{# note #}{% if n %}{{ raise_exception('no ' ~ n) }}{% elif true %}a{% endif %}",
        "broken": "{{ 'open }}{% if %}{{ 1 +",
    }
    for name, template in templates.items():
        yield name, template.encode()
    yield "variables", b"{{ a.b[0].c }}{{ a | length }}\0" + dump({"a": {"b": [{"c": "text"}]}})


SEEDS = {
    "jinja_fuzz": jinja_seeds,
    "gguf_fuzz": gguf_seeds,
    "gguf_vocabulary_fuzz": gguf_vocabulary_seeds,
    "torch_file_fuzz": torch_file_seeds,
    "safetensors_fuzz": safetensors_seeds,
    "json_body_fuzz": body_seeds,
    "tokenizer_json_fuzz": tokenizer_json_seeds,
    "sentencepiece_fuzz": sentencepiece_seeds,
}


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for program, seeds in SEEDS.items():
        folder = pathlib.Path(sys.argv[1]) / program
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in seeds():
            (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
