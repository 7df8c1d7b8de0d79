#!/usr/bin/env python3
"""A peer in a process of its own: worker.py NAME answers the requests of compare.py that wde_contestant.cc tells of,
line by line. A peer says in which forms it can run ("two streams of one thread", "one of two", …); before a load is
timed, each is tried on a part of it, and the fastest stays."""

import json
import os
import pathlib
import sys
import time

import numpy as np
import tokenizers

from loads import BATCH, LIMIT
from peers import PEERS

WARM_UP_QUERIES = 5  # as in wde_contestant.cc
TRIAL_TEXTS = 2 * BATCH
TRIAL_QUERIES = 20


class Worker:
    def __init__(self, peer):
        self.peer = peer
        self.next = 0

    def load(self, model, dtype, threads):
        self.tokenizer_only(model)
        self.peer.load(model, dtype, int(threads))
        return {"version": self.peer.version()}

    def tokenizer_only(self, model):
        path = pathlib.Path(model)  # a folder, or a GGUF file somewhere in one
        folder = next(folder for folder in (path, *path.parents) if (folder / "tokenizer.json").exists())
        self.tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(LIMIT)
        return {"version": tokenizers.__version__}

    def texts(self, path, kind):
        with open(path, encoding="utf-8") as file:
            self.items = file.read().splitlines()
        if kind == "forward":
            self.items = [encoding.ids for encoding in self.tokenizer.encode_batch_fast(self.items)]
        return {}

    def choose(self, kind):
        """Opens the form that is fastest on a part of the load."""
        forms = self.peer.forms(kind)
        if len(forms) > 1:
            trials = {form: self.trial(form, kind) for form in forms}
            forms = sorted(forms, key=trials.get)
        self.peer.open(forms[0])
        return {"form": forms[0]}

    def trial(self, form, kind):
        self.peer.open(form)
        if kind == "query":
            self.queries(WARM_UP_QUERIES)
            return np.median(self.queries(TRIAL_QUERIES))
        step = max(1, len(self.items) // TRIAL_TEXTS)
        part = self.items[::step]
        self.embed(part)
        begin = time.perf_counter()
        self.embed(part)
        return time.perf_counter() - begin

    def vectors(self, path):
        vectors = self.embed(self.items)
        vectors.astype("<f4").tofile(path)
        return {"columns": vectors.shape[1]}

    def bulk(self, seconds):
        return repeat(float(seconds), lambda: self.embed(self.items))

    def query(self, count):
        self.queries(WARM_UP_QUERIES)
        return {"milliseconds": self.queries(int(count))}

    def queries(self, count):
        milliseconds = []
        for _ in range(count):
            self.next = (self.next + 1) % len(self.items)
            begin = time.perf_counter()
            self.embed([self.items[self.next]])
            milliseconds.append(1e3 * (time.perf_counter() - begin))
        return milliseconds

    def tokenize(self, _, seconds):  # threads: the driver set RAYON_NUM_THREADS
        return repeat(float(seconds), lambda: self.tokenizer.encode_batch_fast(self.items))

    def embed(self, items):
        """Texts, or ids: sorted by length, in batches, back in their order."""
        ids = items
        if isinstance(items[0], str):
            ids = [encoding.ids for encoding in self.tokenizer.encode_batch_fast(items)]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]), reverse=True)
        batches = [padded([ids[i] for i in order[start:start + BATCH]]) for start in range(0, len(ids), BATCH)]
        rows = np.concatenate(self.peer.run(batches))
        vectors = np.empty_like(rows)
        vectors[order] = rows
        return vectors


def padded(rows):
    ids = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, (id_row, mask_row) in zip(rows, zip(ids, mask)):
        id_row[:len(row)] = row
        mask_row[:len(row)] = 1
    return ids, mask


def repeat(seconds, call):
    begin, passes = time.perf_counter(), 0
    while passes == 0 or time.perf_counter() - begin < seconds:
        call()
        passes += 1
    return {"seconds": time.perf_counter() - begin, "passes": passes}


def main():
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the libraries print is not an answer
    name = sys.argv[1]
    worker = Worker(PEERS[name]() if name in PEERS else None)
    commands = {"load": worker.load, "tokenizer": worker.tokenizer_only, "texts": worker.texts,
                "choose": worker.choose, "vectors": worker.vectors, "bulk": worker.bulk, "query": worker.query,
                "tokenize": worker.tokenize}
    for line in sys.stdin:
        command, *words = line.rstrip("\n").split("\t")
        try:
            reply = commands[command](*words)
        except Exception as error:  # a library's: the driver says it aloud and goes on without this peer
            reply = {"error": f"{type(error).__name__}: {error}"}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
