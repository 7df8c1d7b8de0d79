#!/usr/bin/env python3
"""Spearman's rank correlation (x100) of a model's cosines with STS-B's scores.

    tools/stsb_spearman.py --wde BINARY --model MODEL --dtype f32 --csv stsb-en-test.csv
    tools/stsb_spearman.py --reference --model MODEL --csv …     by sentence-transformers (tools/venv.sh goldens)

With --expect X --within Y, exits 1 where the figure is further than Y from X. With --least-cosine C, the vectors are
compared with those of --dtype f32 too: exits 1 where the 1st percentile of the cosines is below C. Needs numpy.
"""

import argparse
import csv
import json
import subprocess
import sys

import numpy as np


def read_pairs(path):
    """First sentences, second sentences, scores."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    return [row[0] for row in rows], [row[1] for row in rows], np.array([float(row[2]) for row in rows])


def embed(arguments, texts, dtype):
    """[len(texts), D] fp32 by one run of `wde embed`."""
    command = [arguments.wde, "embed", "-m", arguments.model, "--dtype", dtype, "--jsonl",
               "--format", "f32", *arguments.flags, "-"]
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    run = subprocess.run(command, input=lines.encode(), stdout=subprocess.PIPE, check=False)
    if run.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit {run.returncode}")
    vectors = np.frombuffer(run.stdout, dtype="<f4")
    if vectors.size == 0 or vectors.size % len(texts) != 0:
        sys.exit(f"{vectors.size} numbers for {len(texts)} texts")
    return vectors.reshape(len(texts), -1)


def embed_reference(arguments, texts):
    import sentence_transformers  # heavy, and not needed otherwise

    model = sentence_transformers.SentenceTransformer(arguments.model, device="cpu")
    return model.encode(texts, show_progress_bar=False)


def ranks(values):
    """1-based ranks; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2.0)[inverse]


def spearman(a, b):
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


def cosines(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    return (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--wde", default="build/release/bin/wde")
    parser.add_argument("--model", default="build/models/all-MiniLM-L6-v2")
    parser.add_argument("--dtype", default="f32")
    parser.add_argument("--csv", required=True)
    parser.add_argument("--reference", action="store_true", help="use sentence-transformers instead of wde")
    parser.add_argument("--expect", type=float)
    parser.add_argument("--within", type=float, default=0.02)
    parser.add_argument("--least-cosine", type=float, help="of the 1st percentile to f32")
    parser.add_argument("flags", nargs="*", help="more flags for wde, after --")
    arguments = parser.parse_args()

    first, second, scores = read_pairs(arguments.csv)
    texts = first + second
    vectors = embed_reference(arguments, texts) if arguments.reference else embed(arguments, texts, arguments.dtype)
    figure = 100 * spearman(cosines(vectors[: len(first)], vectors[len(first):]), scores)
    name = "sentence-transformers" if arguments.reference else f"wde {arguments.dtype}"
    print(f"{name}: Spearman x100 = {figure:.2f} over {len(first)} pairs")
    if arguments.least_cosine is not None:
        to_f32 = cosines(vectors, embed(arguments, texts, "f32"))
        percentile = float(np.percentile(to_f32, 1))
        print(f"{name}: cosine to f32 of {len(texts)} texts: least {to_f32.min():.4f}, 1st percentile {percentile:.4f}, "
              f"median {np.median(to_f32):.4f}")
        if not percentile >= arguments.least_cosine:
            sys.exit(f"expected a 1st percentile of at least {arguments.least_cosine}")
    if arguments.expect is not None and not abs(figure - arguments.expect) <= arguments.within:
        sys.exit(f"expected {arguments.expect} within {arguments.within}")


if __name__ == "__main__":
    main()
