#!/usr/bin/env python3
"""Makes tests/data/story_golden.json: last hidden states and greedy continuations of the trained decoder in
../shared/data/models/stories260K (a GGUF file, which is not in the repository), computed in float64 by numpy alone:

    python tools/make_story_golden.py ../shared/data/models/stories260K/tinyllm.gguf

Reads the file, tokenizes and computes by the code below, which shares nothing with the engine: rotary positions turn
neighbouring elements, as ggml has them, so that undoing its order of rows is checked too.
"""

import json
import pathlib
import struct
import sys

import numpy as np

TEXTS = ["Once upon a time, there was a little girl who lived near the sea.", "The dog", "Tom and Lily",
         "One day, a big bird saw a small red boat on the water and wanted to play with it.", "a"]
SIMPLE = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


class Gguf:
    def __init__(self, path):
        self.raw = pathlib.Path(path).read_bytes()
        self.at = 4
        assert self.raw[:4] == b"GGUF"
        version, tensors, keys = self.take("IQQ")
        assert version in (2, 3)
        self.keys = {}
        for _ in range(keys):
            key = self.text()
            self.keys[key] = self.value(self.take("I")[0])
        entries = []
        for _ in range(tensors):
            name = self.text()
            dims = self.take(f"{self.take('I')[0]}Q")
            kind, offset = self.take("IQ")
            entries.append((name, dims[::-1], kind, offset))
        begin = -(-self.at // 32) * 32
        self.tensors = {}
        for name, shape, kind, offset in entries:
            assert kind == 0, "this script reads f32 only"
            self.tensors[name] = np.frombuffer(self.raw, np.float32, int(np.prod(shape)), begin + offset).reshape(
                shape).astype(np.float64)

    def take(self, form):
        values = struct.unpack_from("<" + form, self.raw, self.at)
        self.at += struct.calcsize("<" + form)
        return values

    def text(self):
        size = self.take("Q")[0]
        self.at += size
        return self.raw[self.at - size:self.at].decode("utf-8")

    def value(self, kind):
        if kind == 8:
            return self.text()
        if kind == 9:
            kind, count = self.take("IQ")
            return [self.value(kind) for _ in range(count)]
        return self.take(SIMPLE[kind])[0]


def tokenize(model, text):
    """Neighbours that together are a token join, the best score first, the leftmost of equals."""
    tokens, scores = model.keys["tokenizer.ggml.tokens"], model.keys["tokenizer.ggml.scores"]
    ids = {token: index for index, token in enumerate(tokens)}
    parts = list("\u2581" + text.replace(" ", "\u2581"))
    while True:
        pairs = [(scores[ids[a + b]], -i) for i, (a, b) in enumerate(zip(parts, parts[1:])) if a + b in ids]
        if not pairs:
            break
        i = -max(pairs)[1]
        parts[i:i + 2] = [parts[i] + parts[i + 1]]
    found = [model.keys["tokenizer.ggml.bos_token_id"]]
    for part in parts:
        found += [ids[part]] if part in ids else [ids[f"<0x{byte:02X}>"] for byte in part.encode()]
    return found


def hidden_states(model, ids):
    keys, tensors = model.keys, model.tensors
    heads, kv_heads = keys["llama.attention.head_count"], keys["llama.attention.head_count_kv"]
    epsilon = keys["llama.attention.layer_norm_rms_epsilon"]
    x = tensors["token_embd.weight"][ids]
    size = x.shape[1] // heads
    positions = np.arange(len(ids))[:, None]
    angle = positions * keys.get("llama.rope.freq_base", 10000.0) ** (-np.arange(0, size, 2) / size)

    def norm(value, name):
        return value / np.sqrt((value ** 2).mean(-1, keepdims=True) + epsilon) * tensors[name]

    def rotate(value):
        even, odd = value[..., 0::2], value[..., 1::2]
        cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
        turned = np.empty_like(value)
        turned[..., 0::2], turned[..., 1::2] = even * cosine - odd * sine, even * sine + odd * cosine
        return turned

    mask = np.triu(np.full((len(ids), len(ids)), -np.inf), 1)
    for layer in range(keys["llama.block_count"]):
        def product(value, name):
            return value @ tensors[f"blk.{layer}.{name}.weight"].T

        y = norm(x, f"blk.{layer}.attn_norm.weight")
        q = rotate(product(y, "attn_q").reshape(len(ids), heads, size))
        k = rotate(product(y, "attn_k").reshape(len(ids), kv_heads, size)).repeat(heads // kv_heads, 1)
        v = product(y, "attn_v").reshape(len(ids), kv_heads, size).repeat(heads // kv_heads, 1)
        scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(size) + mask
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        x = x + product(np.einsum("hqk,khd->qhd", weights, v).reshape(len(ids), -1), "attn_output")
        y = norm(x, f"blk.{layer}.ffn_norm.weight")
        gate = product(y, "ffn_gate")
        x = x + product(gate / (1 + np.exp(-gate)) * product(y, "ffn_up"), "ffn_down")
    return norm(x, "output_norm.weight")


def continuation(model, ids, count):
    ids = list(ids)
    for _ in range(count):
        ids.append(int((model.tensors["output.weight"] @ hidden_states(model, ids)[-1]).argmax()))
    return ids[-count:]


def spell(model, ids):
    return "".join(model.keys["tokenizer.ggml.tokens"][i] for i in ids).replace("\u2581", " ").replace("<0x0A>", "\n")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    model = Gguf(sys.argv[1])
    cases = []
    for text in TEXTS:
        ids = tokenize(model, text)
        following = continuation(model, ids, 24)
        states = hidden_states(model, ids)
        cases.append({"text": text, "ids": ids, "hidden": [[float(f"{x:.7g}") for x in row] for row in states],
                      "continuation_ids": following, "continuation": spell(model, following)})
        print(text, "|", cases[-1]["continuation"].replace("\n", "\\n"), file=sys.stderr)
    target = pathlib.Path(__file__).resolve().parent.parent / "tests/data/story_golden.json"
    lines = ",\n".join(json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases)
    target.write_text('{"made_by": {"script": "tools/make_story_golden.py", "numpy": "%s"},\n "cases": [\n%s\n]}\n'
                      % (np.__version__, lines), encoding="utf-8")


if __name__ == "__main__":
    main()
