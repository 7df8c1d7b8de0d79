#!/usr/bin/env python3
"""What a long text takes, and what it does to short ones beside it.

    benchmarks/long_texts.py [--layers 4] [--dtype f32] [--lengths 8192,16384,32768]

Of a decoder of Qwen3-Embedding-0.6B's widths with random weights and few layers (workspace does not depend on their
number, and time is in proportion to it): resident memory and time by length, then the latency of short queries sent one
after the other to a server that computes the longest text. Each with texts in chunks, as is the default, and whole.
Needs Python alone.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import socket
import statistics
import struct
import subprocess
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
FIXTURE = ROOT / "tests" / "data" / "models" / "qwen3"  # for its tokenizer
POSITIONS = 40960
HIDDEN, FEED_FORWARD, HEADS, KV_HEADS, HEAD_SIZE = 1024, 3072, 16, 8, 128
WHOLE = str(1 << 20)  # --long-text-tokens beyond any text


# ------------------------------------------------------------------ the model's folder


def random_bf16(elements):
    """Of both signs, 2^-6 to 2^-5: about what weights have."""
    low = os.urandom(elements).translate(bytes(b | 0x80 for b in range(256)))
    high = os.urandom(elements).translate(bytes(b & 0x80 | 0x3C for b in range(256)))
    values = bytearray(2 * elements)
    values[0::2], values[1::2] = low, high
    return bytes(values)


def tensors(config):
    """(name, shape) of each; those of one dimension are norms."""
    hidden, feed_forward = config["hidden_size"], config["intermediate_size"]
    queries, keys = HEADS * HEAD_SIZE, KV_HEADS * HEAD_SIZE
    yield "embed_tokens.weight", (config["vocab_size"], hidden)
    for layer in range(config["num_hidden_layers"]):
        for name, shape in (("input_layernorm", (hidden,)), ("post_attention_layernorm", (hidden,)),
                            ("self_attn.q_norm", (HEAD_SIZE,)), ("self_attn.k_norm", (HEAD_SIZE,)),
                            ("self_attn.q_proj", (queries, hidden)), ("self_attn.k_proj", (keys, hidden)),
                            ("self_attn.v_proj", (keys, hidden)), ("self_attn.o_proj", (hidden, queries)),
                            ("mlp.gate_proj", (feed_forward, hidden)), ("mlp.up_proj", (feed_forward, hidden)),
                            ("mlp.down_proj", (hidden, feed_forward))):
            yield f"layers.{layer}.{name}.weight", shape
    yield "norm.weight", (hidden,)


def write_weights(path, config):
    header, end = {}, 0
    for name, shape in tensors(config):
        begin, end = end, end + 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, shape in tensors(config):
            file.write(b"\x80\x3f" * shape[0] if len(shape) == 1 else random_bf16(shape[0] * shape[1]))


def make_model(folder, layers):
    shutil.copytree(FIXTURE, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    config = json.loads((FIXTURE / "config.json").read_text())
    config |= {"hidden_size": HIDDEN, "intermediate_size": FEED_FORWARD, "num_hidden_layers": layers,
               "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "head_dim": HEAD_SIZE,
               "max_position_embeddings": POSITIONS, "layer_types": ["full_attention"] * layers}
    (folder / "config.json").write_text(json.dumps(config))
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text()) | {"model_max_length": POSITIONS}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    pooling = json.loads((folder / "1_Pooling" / "config.json").read_text())
    pooling[next(key for key in pooling if key.endswith("dimension"))] = HIDDEN
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    write_weights(folder / "model.safetensors", config)


def make_text(tokens):
    """The special token at the end is one of them."""
    words = [word for word in json.loads((FIXTURE / "tokenizer.json").read_text())["model"]["vocab"]
             if word.isalpha() and word.isascii()]
    choose = random.Random(tokens)
    return " ".join(choose.choice(words) for _ in range(tokens - 1))


# ------------------------------------------------------------------ memory and time by length


def run_alone(command, text):
    """(seconds, MB of the high-water mark of resident memory) of a process, model loading included."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(text + "\n")
        file.flush()
        begin = time.monotonic()
        process = subprocess.Popen([*command, file.name], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"{command} failed")
    return time.monotonic() - begin, usage.ru_maxrss * 1024 / 1e6


def report_lengths(wde, options, lengths):
    print("| tokens | | s | resident MB |\n|---|---|---|---|")
    # Room for the longest text is taken at the start, but what no text uses stays out of memory.
    for name, flags in (("in chunks", []), ("whole", ["--long-text-tokens", WHOLE])):
        for tokens in (10, *lengths):
            seconds, megabytes = run_alone([wde, "embed", *options, *flags], make_text(tokens))
            print(f"| {tokens:,} | {name} | {seconds:.1f} | {megabytes:,.0f} |", flush=True)


# ------------------------------------------------------------------ short queries beside a long text


def post(port, text):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/embed", json.dumps({"inputs": text}).encode())
    begin = time.monotonic()
    with urllib.request.urlopen(request, timeout=7200) as answer:
        answer.read()
    return time.monotonic() - begin


def wait_until_healthy(port, server):
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
            return
        except OSError:
            if server.poll() is not None:
                raise SystemExit("the server did not start")
            time.sleep(0.05)


def measure_beside(port, tokens, pause):
    """Seconds of the long text, and of each short query that was sent while it was computed."""
    seconds, latencies = [], []
    long_text = threading.Thread(target=lambda: seconds.append(post(port, make_text(tokens))))
    long_text.start()
    time.sleep(0.5)
    while long_text.is_alive():
        latencies.append(post(port, make_text(12)))
        time.sleep(pause)
    long_text.join()
    return seconds[0], latencies


def report_queries(wde, options, tokens, pause):
    print(f"\n| {tokens:,} tokens, then queries of 12 | long text, s | queries | p50, ms | p99, ms | most, ms |\n"
          "|---|---|---|---|---|---|")
    for name, flags in (("in chunks", []), ("whole", ["--long-text-tokens", WHOLE])):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = subprocess.Popen([wde, "serve", *options, *flags, "--port", str(port)], stderr=subprocess.DEVNULL)
        try:
            wait_until_healthy(port, server)
            alone = [1e3 * post(port, make_text(12)) for _ in range(20)]
            seconds, latencies = measure_beside(port, tokens, pause)
            latencies = sorted(1e3 * latency for latency in latencies)
            p99 = latencies[min(len(latencies) - 1, len(latencies) * 99 // 100)]
            print(f"| {name} | {seconds:.1f} | {len(latencies)} | {statistics.median(latencies):,.0f} | {p99:,.0f} | "
                  f"{latencies[-1]:,.0f} |  <!-- a query alone: {statistics.median(alone):.1f} ms -->", flush=True)
        finally:
            server.terminate()
            server.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wde", default=str(ROOT / "build" / "release" / "bin" / "wde"))
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--dtype", default="f32")
    parser.add_argument("--lengths", default="8192,16384,32768")
    parser.add_argument("--pause", type=float, default=0.1, help="seconds between two queries")
    arguments = parser.parse_args()
    lengths = [int(length) for length in arguments.lengths.split(",")]
    with tempfile.TemporaryDirectory() as temporary:
        model = pathlib.Path(temporary) / "model"
        make_model(model, arguments.layers)
        options = ["-m", str(model), "--dtype", arguments.dtype]
        report_lengths(arguments.wde, options, lengths)
        report_queries(arguments.wde, options, max(lengths), arguments.pause)


if __name__ == "__main__":
    main()
