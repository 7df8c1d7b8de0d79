#!/usr/bin/env python3
"""Clients that people have, unchanged, against the real server: openai's and huggingface_hub's packages, and the plain
JSON of text-embeddings-inference. What they get is held against the command line's answer to the same texts.

    tests/entrypoints/http_clients_test.py build/release/bin/wde
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import unittest
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
try:
    import huggingface_hub
    import numpy
    import openai
except ImportError as error:
    python = str(ROOT / "build" / "venv" / "bin" / "python")
    if sys.executable != python and os.path.exists(python):
        os.execv(python, [python, *sys.argv])
    print(f"skipped: {error}; tools/venv.sh tests installs it")
    sys.exit(77)

WDE = sys.argv.pop(1) if len(sys.argv) > 1 else "build/release/bin/wde"
DATA = ROOT / "tests" / "data"
EMBEDDER = "models/mean_normalize"
TEXTS = ["The cat sat on the mat.", "Prices rise when money grows faster than goods.", "Größe, naïve, 東京"]
QUERY = "What did the cat do?"


def lines_of(command, model, texts, *flags):
    """The command line's answers, one for each text."""
    done = subprocess.run([WDE, command, "-m", DATA / model, *flags], input="\n".join(texts), text=True,
                          capture_output=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def vectors(texts, *flags):
    return lines_of("embed", EMBEDDER, texts, *flags)


class Server:
    """`wde serve` of a model on a free port."""

    def __init__(self, model, *flags):
        self.process = subprocess.Popen([WDE, "serve", "-m", DATA / model, "--hostname", "127.0.0.1", "--port", "0", *flags],
                                        stderr=subprocess.PIPE, text=True)
        told = []
        for line in self.process.stderr:
            told.append(line)
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                self.url = found.group()
                return
        raise RuntimeError("no server: " + "".join(told))

    def post(self, route, body):
        request = urllib.request.Request(self.url + route, json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)

    def stop(self):
        self.process.terminate()
        self.process.stderr.read()
        self.process.stderr.close()
        return self.process.wait(60)


class ClientTest(unittest.TestCase):
    model = None
    flags = ()

    @classmethod
    def setUpClass(cls):
        cls.server = Server(cls.model, *cls.flags)

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def assert_close(self, got, expected):
        numpy.testing.assert_allclose(numpy.asarray(got), numpy.asarray(expected), rtol=0, atol=1e-6)


class OpenAI(ClientTest):
    model = EMBEDDER

    def setUp(self):
        self.client = openai.OpenAI(base_url=self.server.url + "/v1", api_key="none", max_retries=0)
        self.addCleanup(self.client.close)

    def embed(self, inputs, **options):
        return self.client.embeddings.create(model="any", input=inputs, **options)

    def test_texts(self):
        reply = self.embed(TEXTS)  # in base64, which the package asks for by itself
        self.assertEqual([entry.index for entry in reply.data], [0, 1, 2])
        self.assert_close([entry.embedding for entry in reply.data], vectors(TEXTS))
        self.assertGreater(reply.usage.prompt_tokens, len(TEXTS))
        self.assertEqual(reply.usage.prompt_tokens, reply.usage.total_tokens)

    def test_one_text_as_numbers(self):
        self.assert_close(self.embed(TEXTS[0], encoding_format="float").data[0].embedding, vectors(TEXTS[:1])[0])

    def test_token_ids(self):
        ids = lines_of("tokenize", EMBEDDER, TEXTS[:1])[0]
        self.assert_close(self.embed(ids).data[0].embedding, vectors(TEXTS[:1])[0])
        self.assert_close([entry.embedding for entry in self.embed([ids, ids]).data], 2 * vectors(TEXTS[:1]))

    def test_dimensions(self):
        reply = self.embed(TEXTS, dimensions=8)
        self.assert_close([entry.embedding for entry in reply.data], vectors(TEXTS, "--dimensions", "8"))

    def test_refusals(self):
        with self.assertRaises(openai.UnprocessableEntityError) as refused:
            self.embed(TEXTS, dimensions=100000)
        self.assertIn("dimensions", refused.exception.body["message"])
        with self.assertRaises(openai.UnprocessableEntityError):
            self.embed(["a"] * 33)
        with self.assertRaises(openai.NotFoundError):
            self.client.chat.completions.create(model="any", messages=[])

    def test_models(self):
        self.assertEqual(len(self.client.models.list().data), 1)


class HuggingFace(ClientTest):
    model = EMBEDDER

    def client(self, route=""):
        return huggingface_hub.InferenceClient(self.server.url + route, token="none")

    def test_feature_extraction(self):
        for route in ("", "/embed"):
            self.assert_close(self.client(route).feature_extraction(TEXTS), vectors(TEXTS))
        raw = self.client("/embed").feature_extraction(TEXTS[0], normalize=False, truncate=True)
        self.assert_close(raw, vectors(TEXTS[:1], "--normalize=false"))

    def test_sentence_similarity(self):
        ours = vectors([QUERY, *TEXTS])
        scores = self.client("/similarity").sentence_similarity(QUERY, TEXTS)
        self.assert_close(scores, [numpy.dot(ours[0], vector) for vector in ours[1:]])

    def test_refusal(self):
        with self.assertRaises(huggingface_hub.errors.HfHubHTTPError) as refused:
            self.client("/embed").feature_extraction(TEXTS, dimensions=100000)
        self.assertEqual(refused.exception.response.status_code, 422)


class Classifier(ClientTest):
    model = "task_models/bert_softmax"

    def expected(self, texts):
        return [{entry["label"]: entry["score"] for entry in line}
                for line in lines_of("classify", self.model, texts)]

    def check(self, got, expected):
        scores = [entry["score"] for entry in got]
        self.assertEqual(scores, sorted(scores, reverse=True))
        self.assertEqual({entry["label"] for entry in got}, set(expected))
        self.assert_close(scores, [expected[entry["label"]] for entry in got])

    def test_predict(self):
        expected = self.expected(TEXTS)
        self.check(self.server.post("/predict", {"inputs": TEXTS[0]}), expected[0])
        batch = self.server.post("/predict", {"inputs": [[text] for text in TEXTS]})
        for got, line in zip(batch, expected, strict=True):
            self.check(got, line)


class Reranker(ClientTest):
    model = "task_models/bert_rerank"

    def test_rerank(self):
        expected = lines_of("rerank", self.model, TEXTS, "--query", QUERY)
        got = self.server.post("/rerank", {"query": QUERY, "texts": TEXTS, "return_text": True})
        self.assertEqual([entry["index"] for entry in got], [line["index"] for line in expected])
        self.assertEqual([entry["text"] for entry in got], [TEXTS[entry["index"]] for entry in got])
        self.assert_close([entry["score"] for entry in got], [line["score"] for line in expected])


class Sparse(ClientTest):
    model = "task_models/bert_sparse"
    flags = ("--task", "sparse")

    def test_embed_sparse(self):
        expected = lines_of("sparse", self.model, TEXTS)
        for got, line in zip(self.server.post("/embed_sparse", {"inputs": TEXTS}), expected, strict=True):
            self.assertEqual([entry["index"] for entry in got], [entry["index"] for entry in line])
            self.assert_close([entry["value"] for entry in got], [entry["value"] for entry in line])


if __name__ == "__main__":
    unittest.main()
