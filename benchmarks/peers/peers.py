"""The other engines, each in its fast settings. A peer has:

  load(model, dtype, threads)   raises Refused with the reason when it has no such precision here
  forms(kind)                   the ways it could run this kind of load ("bulk", "query", "forward")
  open(form)                    makes ready to run so
  run(batches)                  (ids, mask) of int64 each, to one array of vectors each
"""

import concurrent.futures
import json
import pathlib

import numpy as np

from graph import Cache

GRAPHED = ("bert", "xlm-roberta")  # model_types of which graph.py makes the other engines' files


class Refused(Exception):
    pass


def model_type(model):
    return json.loads((pathlib.Path(model) / "config.json").read_text())["model_type"]


def require_graph(model):
    if model_type(model) not in GRAPHED:
        raise Refused(f"no graph of {model_type(model)} is made for it here, only of {', '.join(GRAPHED)}")


class Torch:
    """sentence-transformers' modules, with scaled-dot-product attention where transformers has it."""

    def version(self):
        import sentence_transformers
        import torch
        return f"torch {torch.__version__}, sentence-transformers {sentence_transformers.__version__}"

    def load(self, model, dtype, threads):
        import sentence_transformers
        import torch
        dtypes = {"f32": torch.float32, "bf16": torch.bfloat16}
        if dtype not in dtypes:
            raise Refused("quantizes no transformer on the CPU since torch.ao left it")
        torch.set_num_threads(threads)
        self.torch = torch
        self.attention = "eager" if model_type(model) == "deberta-v2" else "sdpa"
        self.st = sentence_transformers.SentenceTransformer(
            model, device="cpu", model_kwargs={"dtype": dtypes[dtype], "attn_implementation": self.attention}).eval()

    def forms(self, _):
        return [{"sdpa": "SDPA", "eager": "eager attention"}[self.attention]]

    def open(self, form):
        pass

    def run(self, batches):
        with self.torch.inference_mode():
            return [self.forward(ids, mask) for ids, mask in batches]

    def forward(self, ids, mask):
        features = {"input_ids": self.torch.from_numpy(ids), "attention_mask": self.torch.from_numpy(mask)}
        return self.st(features)["sentence_embedding"].float().numpy()


class OnnxRuntime:
    def version(self):
        import onnxruntime
        return f"onnxruntime {onnxruntime.__version__}"

    def load(self, model, dtype, threads):
        if dtype == "bf16":
            raise Refused("has no bf16 kernels for x86 CPUs")
        require_graph(model)
        cache = Cache(model)
        self.threads = threads
        self.paths = {"dynamic int8 MatMul, per channel": cache.onnx_int8()} if dtype == "int8" else {
            "graph as exported": cache.onnx(), "fused by its BERT tool": cache.onnx_fused()}

    def forms(self, _):
        return list(self.paths)

    def open(self, form):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        self.session = None  # the one before, first
        self.session = onnxruntime.InferenceSession(self.paths[form], options, providers=["CPUExecutionProvider"])

    def run(self, batches):
        return [self.session.run(None, {"input_ids": ids, "attention_mask": mask})[0] for ids, mask in batches]


class OpenVino:
    def version(self):
        import openvino
        return f"openvino {openvino.__version__.split('-')[0]}"

    def load(self, model, dtype, threads):
        import openvino
        self.core = openvino.Core()
        if dtype == "bf16" and "BF16" not in self.core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise Refused("computes bf16 only where the CPU has instructions for it, else f32 in its place")
        require_graph(model)
        cache = Cache(model)
        self.threads = threads
        self.precision = "bf16" if dtype == "bf16" else "f32"
        self.paths = {"W8A8 by nncf": cache.openvino_int8(),
                      "int8 weights, dynamic quantization": cache.openvino_int8_weights()} if dtype == "int8" else {
            "": cache.openvino()}

    def forms(self, kind):
        hints = ["LATENCY"] if kind == "query" else ["LATENCY", "THROUGHPUT"]
        return [", ".join(filter(None, (graph, hint))) for graph in self.paths for hint in hints]

    def open(self, form):
        import openvino
        graph, _, hint = form.rpartition(", ")
        settings = {"PERFORMANCE_HINT": hint, "INFERENCE_NUM_THREADS": self.threads,
                    "INFERENCE_PRECISION_HINT": self.precision}
        if "dynamic" in graph:
            settings["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = str(2 ** 64 - 1)  # a scale for each token
        self.queue = self.compiled = None  # the ones before, first
        self.compiled = self.core.compile_model(self.core.read_model(self.paths[graph]), "CPU", settings)
        self.latency = hint == "LATENCY"
        self.request = self.compiled.create_infer_request()
        self.queue = openvino.AsyncInferQueue(self.compiled)
        self.queue.set_callback(lambda request, index: self.take(request, index))

    def take(self, request, index):
        self.rows[index] = request.get_output_tensor().data.copy()

    def run(self, batches):
        self.rows = [None] * len(batches)
        for index, (ids, mask) in enumerate(batches):
            inputs = {"input_ids": ids, "attention_mask": mask}
            if self.latency:
                self.request.infer(inputs, share_inputs=True)
                self.take(self.request, index)
            else:
                self.queue.start_async(inputs, userdata=index)
        if not self.latency:
            self.queue.wait_all()
        return self.rows


class CTranslate2:
    def version(self):
        import ctranslate2
        return f"ctranslate2 {ctranslate2.__version__}"

    def load(self, model, dtype, threads):
        import ctranslate2
        self.type = {"f32": "float32", "bf16": "bfloat16", "int8": "int8"}[dtype]
        supported = ctranslate2.get_supported_compute_types("cpu")
        if self.type not in supported:
            raise Refused(f"computes in {', '.join(sorted(supported))} on this CPU")
        require_graph(model)
        self.threads = threads
        self.path = Cache(model).ctranslate2()

    def forms(self, kind):
        together = f"1 worker of {self.threads} threads"
        apart = f"{self.threads} workers of 1 thread"
        return [together] if kind == "query" or self.threads == 1 else [together, apart]

    def open(self, form):
        import ctranslate2
        workers = self.threads if form.endswith("1 thread") and self.threads > 1 else 1
        self.encoder = None  # the one before, first
        self.encoder = ctranslate2.Encoder(str(self.path), device="cpu", compute_type=self.type,
                                           inter_threads=workers, intra_threads=self.threads // workers)
        self.pool = concurrent.futures.ThreadPoolExecutor(workers) if workers > 1 else None

    def run(self, batches):
        return list(self.pool.map(self.forward, batches)) if self.pool else list(map(self.forward, batches))

    def forward(self, batch):
        import ctranslate2
        ids, mask = batch
        lengths = mask.sum(1)
        output = self.encoder.forward_batch(ctranslate2.StorageView.from_array(ids.astype(np.int32)),
                                            ctranslate2.StorageView.from_array(lengths.astype(np.int32)))
        hidden = np.asarray(output.last_hidden_state)
        sums = np.matmul(mask[:, None, :].astype(np.float32), hidden)[:, 0]
        vectors = sums / lengths[:, None]
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


PEERS = {"torch": Torch, "onnxruntime": OnnxRuntime, "openvino": OpenVino, "ctranslate2": CTranslate2}
