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

import gguf_files
from graph import Cache
from loads import LIMIT

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
        import torch
        dtypes = {"f32": torch.float32, "bf16": torch.bfloat16}
        if dtype not in dtypes:
            raise Refused("quantizes no transformer on the CPU since torch.ao left it")
        torch.set_num_threads(threads)
        self.torch = torch
        if model.endswith(".gguf"):
            self.load_gguf(pathlib.Path(model), dtypes[dtype])
        else:
            self.load_folder(model, dtypes[dtype])

    def load_folder(self, model, dtype):
        import sentence_transformers
        self.attention = "eager" if model_type(model) == "deberta-v2" else "sdpa"
        self.st = sentence_transformers.SentenceTransformer(
            model, device="cpu", model_kwargs={"dtype": dtype, "attn_implementation": self.attention}).eval()
        self.vectors = lambda features: self.st(features)["sentence_embedding"]

    def load_gguf(self, path, dtype):
        """Its codes as the numbers that they stand for: a reference, not a contestant."""
        import transformers
        self.attention = "sdpa"
        model = transformers.AutoModel.from_pretrained(str(path.parent), gguf_file=path.name, dtype=dtype).eval()

        def last_states(features):
            last = features["attention_mask"].sum(1) - 1
            return model(**features).last_hidden_state[self.torch.arange(len(last)), last]

        self.vectors = last_states

    def forms(self, _):
        return [{"sdpa": "SDPA", "eager": "eager attention"}[self.attention]]

    def open(self, form):
        pass

    def run(self, batches):
        with self.torch.inference_mode():
            return [self.forward(ids, mask) for ids, mask in batches]

    def forward(self, ids, mask):
        features = {"input_ids": self.torch.from_numpy(ids), "attention_mask": self.torch.from_numpy(mask)}
        return self.vectors(features).float().numpy()


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


class LlamaCpp:
    """Last-token embeddings of llama.cpp, by its own C API; nothing is padded."""

    FORMS = {f"{name}{', flash attention' if flash else ''}": (tokens, flash)
             for name, tokens in (("a text at once", LIMIT), ("2048 tokens at once", 2048)) for flash in (False, True)}

    def version(self):
        import llama_cpp
        return f"llama-cpp-python {llama_cpp.__version__}"

    def load(self, model, dtype, threads):
        import llama_cpp
        if dtype not in gguf_files.QUANTIZED:
            known = model_type(model)
            if known not in gguf_files.ARCHITECTURES:
                raise Refused(f"no GGUF file of {known} is made for it here")
            model = gguf_files.path_of(model, {"int8": "q8_0"}.get(dtype, dtype))
        self.api = llama_cpp
        self.threads = threads
        llama_cpp.llama_backend_init()
        parameters = llama_cpp.llama_model_default_params()
        self.model = llama_cpp.llama_model_load_from_file(str(model).encode(), parameters)
        if not self.model:
            raise Refused(f"does not load {model}")
        self.columns = llama_cpp.llama_model_n_embd(self.model)
        self.context = None

    def forms(self, kind):
        return [form for form, (tokens, _) in self.FORMS.items() if tokens == LIMIT or kind != "query"]

    def open(self, form):
        self.tokens, flash = self.FORMS[form]
        if self.context:
            self.api.llama_batch_free(self.batch)
            self.api.llama_free(self.context)
        self.sequences = 1 if self.tokens == LIMIT else self.tokens // 8
        parameters = self.api.llama_context_default_params()
        parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = self.tokens
        parameters.n_seq_max = self.sequences
        parameters.kv_unified = True
        parameters.n_threads = parameters.n_threads_batch = self.threads
        parameters.embeddings = True
        parameters.pooling_type = self.api.LLAMA_POOLING_TYPE_LAST
        parameters.flash_attn_type = (self.api.LLAMA_FLASH_ATTN_TYPE_ENABLED if flash
                                      else self.api.LLAMA_FLASH_ATTN_TYPE_DISABLED)
        self.context = self.api.llama_init_from_model(self.model, parameters)
        if not self.context:
            raise RuntimeError(f"llama.cpp does not run as: {form}")
        self.batch = self.api.llama_batch_init(self.tokens, 0, 1)

    def run(self, batches):
        return [self.rows([row[:count].tolist() for row, count in zip(ids, mask.sum(1))]) for ids, mask in batches]

    def rows(self, texts):
        """As many texts at once as there is room for."""
        rows, part, tokens = [], [], 0
        for text in texts:
            if part and (tokens + len(text) > self.tokens or len(part) == self.sequences):
                rows += self.decode(part)
                part, tokens = [], 0
            part.append(text)
            tokens += len(text)
        return np.stack(rows + self.decode(part))

    def decode(self, texts):
        api, batch = self.api, self.batch
        at = 0
        for sequence, text in enumerate(texts):
            for position, token in enumerate(text):
                batch.token[at], batch.pos[at] = token, position
                batch.n_seq_id[at], batch.seq_id[at][0] = 1, sequence
                batch.logits[at] = 1
                at += 1
        batch.n_tokens = at
        api.llama_memory_clear(api.llama_get_memory(self.context), True)
        if api.llama_decode(self.context, batch) != 0:
            raise RuntimeError("llama_decode failed")
        return [np.ctypeslib.as_array(api.llama_get_embeddings_seq(self.context, sequence), (self.columns,)).copy()
                for sequence in range(len(texts))]


PEERS = {"torch": Torch, "onnxruntime": OnnxRuntime, "openvino": OpenVino, "ctranslate2": CTranslate2,
         "llama.cpp": LlamaCpp}
