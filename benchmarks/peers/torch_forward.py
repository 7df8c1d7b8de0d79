#!/usr/bin/env python3
"""How fast `wde` is next to torch on the same texts, threads and machine.

    tools/venv.sh goldens
    build/venv/bin/python benchmarks/peers/torch_forward.py --csv ../shared/data/text/stsb/stsb-en-test.csv

What is timed:
  torch    the model's forward and pooling alone, on batches of 32 tokenized and padded beforehand, sorted by length
  wde      `wde bench`: submit to answer, so tokenizing, scheduling and answering are inside
so the comparison leans to torch's side. Answers are checked before anything is timed; then the contestants take
turns, round by round, and the table gives the median, least and most of the rounds.
"""

import argparse
import csv
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import sentence_transformers
import torch

BATCH = 32
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}


def long_texts(tokenizer):
    """32 texts of exactly 128 tokens: 126 words that are a token each, and [CLS] and [SEP]."""
    words = "the river and a bridge of old stone in winter light near our small town by water".split()
    texts = [" ".join(words[(start + index) % len(words)] for index in range(126)) for start in range(BATCH)]
    if any(len(tokenizer(text)["input_ids"]) != 128 for text in texts):
        sys.exit("the long texts are not 128 tokens with this model's tokenizer")
    return texts


def short_texts(path, count):
    with open(path, encoding="utf-8", newline="") as file:
        return [row[0] for row in csv.reader(file) if row][:count]


class Torch:
    def __init__(self, model, dtype):
        self.name = f"torch {dtype}"
        self.st = sentence_transformers.SentenceTransformer(
            model, device="cpu", model_kwargs={"dtype": DTYPES[dtype]}).eval()

    def prepare(self, texts):
        by_length = sorted(texts, key=lambda text: len(self.st.tokenizer(text)["input_ids"]))
        self.documents = len(texts)
        self.batches = [dict(self.st.tokenizer(by_length[start:start + BATCH], padding=True, truncation=True,
                                               return_tensors="pt"))
                        for start in range(0, len(texts), BATCH)]

    @torch.inference_mode()
    def embed(self, texts):
        return self.st.encode(texts, batch_size=BATCH, show_progress_bar=False).astype(np.float32)

    @torch.inference_mode()
    def round(self, seconds):
        """Documents a second over whole passes that fill the time."""
        passes, begin = 0, time.perf_counter()
        while time.perf_counter() - begin < seconds:
            for batch in self.batches:
                self.st(dict(batch))
            passes += 1
        return passes * self.documents / (time.perf_counter() - begin)


class Wde:
    def __init__(self, arguments, dtype):
        self.name = f"wde {dtype}"
        self.binary = arguments.wde
        self.common = ["-m", arguments.model, "--dtype", dtype, "--threads", str(arguments.threads)]

    def run(self, command, texts):
        lines = "".join(json.dumps(text) + "\n" for text in texts)
        run = subprocess.run([self.binary, *command], input=lines.encode(), stdout=subprocess.PIPE, check=False)
        if run.returncode != 0:
            sys.exit(f"{' '.join(command)}: exit {run.returncode}")
        return run.stdout

    def prepare(self, texts):
        self.texts = texts

    def embed(self, texts):
        raw = self.run(["embed", *self.common, "--jsonl", "--format", "f32", "-"], texts)
        return np.frombuffer(raw, dtype="<f4").reshape(len(texts), -1)

    def round(self, seconds):
        with tempfile.TemporaryDirectory() as folder:
            report = pathlib.Path(folder) / "report.json"
            # Twice the batch under way: one being computed, one being made ready.
            self.run(["bench", *self.common, "--attention-backend", "flash", "--executor", "double_buffer",
                      "--batch-sizes", str(2 * BATCH), "--rounds", "1", "--seconds", str(seconds), "--jsonl",
                      "--json", str(report), "-"], self.texts)
            return json.loads(report.read_text())["results"][0]["documents_per_s"]["median"]


def check_answers(contestants, texts):
    """Everyone against torch f32: largest difference for f32, cosine for bf16."""
    reference = contestants[0].embed(texts)
    for contestant in contestants[1:]:
        vectors = contestant.embed(texts)
        difference = np.abs(vectors - reference).max()
        cosine = ((vectors * reference).sum(1)
                  / np.linalg.norm(vectors, axis=1) / np.linalg.norm(reference, axis=1)).min()
        print(f"  {contestant.name:10} largest difference {difference:.1e}, least cosine {cosine:.6f}")
        if contestant.name.endswith("f32") and difference > 2e-5 or cosine < 0.995:
            sys.exit(f"{contestant.name} computes something else than {contestants[0].name}")


def compare(title, contestants, texts, arguments):
    print(f"\n{title}")
    check_answers(contestants, texts)
    figures = {contestant.name: [] for contestant in contestants}
    for contestant in contestants:
        contestant.prepare(texts)
        contestant.round(0.3)
    for _ in range(arguments.rounds):
        for contestant in contestants:
            figures[contestant.name].append(contestant.round(arguments.seconds))
    for name, rates in figures.items():
        print(f"  {name:10} {statistics.median(rates):9.1f} docs/s  ({min(rates):.1f} to {max(rates):.1f})")
    for dtype in arguments.dtypes:
        ratio = statistics.median(figures[f"wde {dtype}"]) / statistics.median(figures[f"torch {dtype}"])
        print(f"  wde / torch, {dtype}: {ratio:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--wde", default="build/release/bin/wde")
    parser.add_argument("--model", default="build/models/all-MiniLM-L6-v2")
    parser.add_argument("--csv", help="STS-B; without it only the 128-token texts are timed")
    parser.add_argument("--dtypes", type=lambda text: text.split(","), default=["f32", "bf16"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    arguments = parser.parse_args()
    if not set(arguments.dtypes) <= DTYPES.keys() or arguments.dtypes[0] != "f32":
        parser.error("--dtypes: f32, or f32,bf16")

    sys.stdout.reconfigure(line_buffering=True)
    torch.set_num_threads(arguments.threads)
    contestants = [make(dtype) for dtype in arguments.dtypes
                   for make in (lambda dtype: Torch(arguments.model, dtype), lambda dtype: Wde(arguments, dtype))]
    print(f"torch {torch.__version__}, sentence-transformers {sentence_transformers.__version__}, "
          f"{arguments.threads} threads, batches of {BATCH}")
    compare("32 texts of 128 tokens", contestants, long_texts(contestants[0].st.tokenizer), arguments)
    if arguments.csv:
        compare("STS-B sentences", contestants, short_texts(arguments.csv, 256), arguments)


if __name__ == "__main__":
    main()
