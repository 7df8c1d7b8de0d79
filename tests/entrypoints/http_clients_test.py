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
# Read when the packages are imported: neither a proxy nor offline mode is to stand between them and this machine.
os.environ.update(no_proxy="127.0.0.1", HF_HUB_OFFLINE="0")
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
KEY = "a key"
TEXTS = ["The cat sat on the mat.", "Prices rise when money grows faster than goods.", "Größe, naïve, 東京"]
QUERY = "What did the cat do?"


def lines_of(command, model, texts, *flags):
    """The command line's answers, one for each text or pair."""
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    done = subprocess.run([WDE, command, "-m", DATA / model, "--jsonl", *flags], input=lines, text=True,
                          capture_output=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def vectors(texts, *flags):
    return lines_of("embed", EMBEDDER, texts, *flags)


class Server:
    """`wde serve` of a model on a free port, which asks for KEY."""

    def __init__(self, model, *flags):
        command = [WDE, "serve", "-m", DATA / model, "--hostname", "127.0.0.1", "--port", "0", "--api-key", KEY, *flags]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        told = []
        for line in self.process.stderr:
            told.append(line)
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                self.url = found.group()
                return
        raise RuntimeError("no server: " + "".join(told))

    def post(self, route, body):
        request = urllib.request.Request(self.url + route, json.dumps(body).encode(),
                                         {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"})
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
    flags = ("--served-model-name", "tiny")

    def client(self, key=KEY):
        client = openai.OpenAI(base_url=self.server.url + "/v1", api_key=key, max_retries=0)
        self.addCleanup(client.close)
        return client

    def embed(self, inputs, **options):
        return self.client().embeddings.create(model="any", input=inputs, **options)

    def check(self, reply, expected):
        self.assertEqual([entry.index for entry in reply.data], list(range(len(expected))))
        self.assert_close([entry.embedding for entry in reply.data], expected)

    def test_texts(self):
        reply = self.embed(TEXTS)  # in base64, which the package asks for by itself
        self.check(reply, vectors(TEXTS))
        tokens = sum(len(ids) for ids in lines_of("tokenize", EMBEDDER, TEXTS))
        self.assertEqual((reply.usage.prompt_tokens, reply.usage.total_tokens), (tokens, tokens))

    def test_one_text_as_numbers(self):
        self.check(self.embed(TEXTS[0], encoding_format="float"), vectors(TEXTS[:1]))

    def test_token_ids(self):
        ids = lines_of("tokenize", EMBEDDER, TEXTS)
        self.check(self.embed(ids[0]), vectors(TEXTS[:1]))
        self.check(self.embed(ids), vectors(TEXTS))

    def test_dimensions(self):
        self.check(self.embed(TEXTS, dimensions=8), vectors(TEXTS, "--dimensions", "8"))

    def test_models(self):
        self.assertEqual([model.id for model in self.client().models.list()], ["tiny"])
        self.assertEqual(self.embed("a").model, "tiny")

    def test_refusals(self):
        with self.assertRaises(openai.UnprocessableEntityError) as refused:
            self.embed(TEXTS, dimensions=100000)
        self.assertEqual((refused.exception.param, refused.exception.type), ("dimensions", "invalid_request_error"))
        with self.assertRaises(openai.UnprocessableEntityError):
            self.embed(["a"] * 33)
        with self.assertRaises(openai.BadRequestError):
            self.embed([])
        with self.assertRaises(openai.NotFoundError):
            self.client().chat.completions.create(model="any", messages=[])
        with self.assertRaises(openai.AuthenticationError) as refused:
            self.client("another key").models.list()
        self.assertEqual(refused.exception.code, "invalid_api_key")


class HuggingFace(ClientTest):
    model = EMBEDDER

    def client(self, route="", **options):
        return huggingface_hub.InferenceClient(self.server.url + route, token=KEY, **options)

    def test_feature_extraction(self):
        for route in ("", "/embed"):
            self.assert_close(self.client(route).feature_extraction(TEXTS), vectors(TEXTS))
        raw = self.client().feature_extraction(TEXTS[0], normalize=False, truncate=True, truncation_direction="left")
        self.assert_close(raw, vectors(TEXTS[:1], "--normalize=false"))
        short = self.client().feature_extraction(TEXTS, dimensions=8)
        self.assert_close(short, vectors(TEXTS, "--dimensions", "8"))

    def test_sentence_similarity(self):
        query, *others = vectors([QUERY, *TEXTS])
        for route in ("", "/similarity"):
            self.assert_close(self.client(route).sentence_similarity(QUERY, TEXTS), numpy.dot(others, query))

    def test_endpoint(self):
        client = self.client(provider="hf-inference")
        self.assertTrue(client.health_check())
        self.assertEqual(client.get_endpoint_info()["model_type"], {"embedding": {"pooling": "mean"}})

    def test_refusal(self):
        with self.assertRaises(huggingface_hub.errors.HfHubHTTPError) as refused:
            self.client().feature_extraction(TEXTS, dimensions=100000)
        self.assertEqual(refused.exception.response.status_code, 422)
        self.assertEqual(refused.exception.response.json()["error_type"], "Validation")


class Classifier(ClientTest):
    model = "task_models/bert_softmax"

    def check(self, got, expected):
        self.assertEqual([entry["label"] for entry in got], [entry["label"] for entry in expected])
        self.assert_close([entry["score"] for entry in got], [entry["score"] for entry in expected])

    def test_predict(self):
        inputs = [*TEXTS, [TEXTS[0], QUERY]]
        expected = lines_of("classify", self.model, inputs)
        self.check(self.server.post("/predict", {"inputs": inputs[0]}), expected[0])
        self.check(self.server.post("/predict", {"inputs": inputs[-1]}), expected[-1])
        batch = self.server.post("/predict", {"inputs": [[text] for text in TEXTS] + inputs[-1:]})
        for got, line in zip(batch, expected, strict=True):
            self.check(got, line)

    def test_text_classification(self):
        # The package takes the first entry of a list: of one text's labels, as TEI answers them, the best.
        client = huggingface_hub.InferenceClient(self.server.url, token=KEY)
        best = client.text_classification(TEXTS[0])
        self.check([best], lines_of("classify", self.model, TEXTS[:1])[0][:1])


class Reranker(ClientTest):
    model = "task_models/bert_rerank"

    def check(self, body, *flags):
        expected = lines_of("rerank", self.model, TEXTS, "--query", QUERY, *flags)
        got = self.server.post("/rerank", {"query": QUERY, "texts": TEXTS, **body})
        self.assertEqual([entry["index"] for entry in got], [line["index"] for line in expected])
        self.assert_close([entry["score"] for entry in got], [line["score"] for line in expected])
        return got

    def test_rerank(self):
        self.assertEqual(set(self.check({})[0]), {"index", "score"})
        for entry in self.check({"return_text": True, "raw_scores": True}, "--raw-scores"):
            self.assertEqual(entry["text"], TEXTS[entry["index"]])


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
