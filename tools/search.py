#!/usr/bin/env python3
"""Semantic search over a few texts with `wde embed`, Python's standard library alone.

    tools/search.py --wde BINARY --model MODEL --corpus FILE [--top 3] [QUERY ...]

Prints the nearest lines of the corpus for each query. Without queries, reads one a line from stdin.
"""

import argparse
import json
import subprocess
import sys


def embed(arguments, texts):
    """A unit vector for each text, by one run of `wde embed`."""
    run = subprocess.run(
        [arguments.wde, "embed", "-m", arguments.model, "--jsonl", "--normalize=true", "-"],
        input="".join(json.dumps(text) + "\n" for text in texts), stdout=subprocess.PIPE, encoding="utf-8",
        check=False)
    if run.returncode != 0:
        sys.exit(run.returncode)
    return [json.loads(line) for line in run.stdout.splitlines()]


def nearest(query, vectors, count):
    """(cosine, index) of the `count` nearest vectors, best first."""
    scores = [(sum(a * b for a, b in zip(query, vector)), index) for index, vector in enumerate(vectors)]
    return sorted(scores, key=lambda entry: (-entry[0], entry[1]))[:count]


def shorten(text, width):
    return text if len(text) <= width else text[: width - 1] + "…"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--wde", default="build/release/bin/wde")
    parser.add_argument("--model", default="build/models/all-MiniLM-L6-v2")
    parser.add_argument("--corpus", default="examples/corpus.txt")
    parser.add_argument("--top", type=int, default=3)
    parser.add_argument("queries", nargs="*", metavar="QUERY")
    arguments = parser.parse_args()

    with open(arguments.corpus, encoding="utf-8") as file:
        passages = file.read().splitlines()
    queries = arguments.queries or sys.stdin.read().splitlines()
    vectors = embed(arguments, passages + queries)
    bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
    for query, vector in zip(queries, vectors[len(passages):]):
        print(f"\n{bold}{query}{plain}")
        for score, index in nearest(vector, vectors[: len(passages)], arguments.top):
            print(f"  {score:6.3f}  {shorten(passages[index], 100)}")


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(130)
