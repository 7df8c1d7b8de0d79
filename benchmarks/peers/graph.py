"""The forms of a model that the peers run: ONNX, OpenVINO and CTranslate2 files, made once and kept beside it."""

import hashlib
import os
import pathlib
import shutil
import warnings

PEERS = pathlib.Path(__file__).parent


class Cache:
    """Files made from one model; made anew when its weights or the peers' versions change."""

    def __init__(self, model):
        weights = (pathlib.Path(model) / "model.safetensors").resolve()
        key = f"{weights} {weights.stat().st_size} {weights.stat().st_mtime_ns}".encode()
        key += (PEERS / "requirements.txt").read_bytes() + pathlib.Path(__file__).read_bytes()
        self.model = str(model)
        self.folder = pathlib.Path(model) / ("peers-" + hashlib.sha256(key).hexdigest()[:12])

    def get(self, name, make):
        """The folder `name`, which `make(folder)` fills when it is missing."""
        target = self.folder / name
        if not target.exists():
            scratch = self.folder / f"{name}.{os.getpid()}"
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(parents=True)
            make(scratch)
            scratch.rename(target)
        return target

    def onnx(self):
        return self.get("onnx", self.export_onnx) / "model.onnx"

    def onnx_fused(self):
        """With GELU, residual and norm fused by onnxruntime's own tool for BERT."""
        return self.get("onnx-fused", self.fuse_onnx) / "model.onnx"

    def onnx_int8(self):
        return self.get("onnx-int8", self.quantize_onnx) / "model.onnx"

    def openvino(self):
        return self.get("openvino", self.convert_openvino) / "model.xml"

    def openvino_int8(self):
        return self.get("openvino-int8", self.quantize_openvino) / "model.xml"

    def openvino_int8_weights(self):
        return self.get("openvino-int8-weights", self.compress_openvino) / "model.xml"

    def ctranslate2(self):
        return self.get("ctranslate2", self.convert_ctranslate2) / "model"

    def export_onnx(self, folder):
        import torch
        module, arguments = traced(self.model)
        names = ["input_ids", "attention_mask"]
        axes = {name: {0: "batch", 1: "length"} for name in names} | {"embedding": {0: "batch"}}
        torch.onnx.export(module, arguments, str(folder / "model.onnx"), input_names=names,
                          output_names=["embedding"], dynamic_axes=axes, opset_version=17, dynamo=False)

    def fuse_onnx(self, folder):
        import json
        from onnxruntime.transformers import optimizer
        config = json.loads((pathlib.Path(self.model) / "config.json").read_text())
        fused = optimizer.optimize_model(str(self.onnx()), model_type="bert", opt_level=0,
                                         num_heads=config["num_attention_heads"], hidden_size=config["hidden_size"])
        fused.save_model_to_file(str(folder / "model.onnx"))

    def quantize_onnx(self, folder):
        import onnx
        from onnxruntime import quantization
        # Per channel: as fast as per tensor and far nearer to f32.
        quantization.quantize_dynamic(
            str(self.onnx_fused()), str(folder / "model.onnx"), op_types_to_quantize=["MatMul"], per_channel=True,
            weight_type=quantization.QuantType.QInt8, extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT})

    def convert_openvino(self, folder):
        import openvino
        module, (ids, mask) = traced(self.model)
        converted = openvino.convert_model(
            module, example_input={"input_ids": ids, "attention_mask": mask},
            input=[("input_ids", [-1, -1]), ("attention_mask", [-1, -1])])
        openvino.save_model(converted, folder / "model.xml", compress_to_fp16=False)

    def quantize_openvino(self, folder):
        """W8A8, calibrated on texts that no load has."""
        import nncf
        import openvino
        model = openvino.Core().read_model(self.openvino())
        calibration = nncf.Dataset(list(calibration_inputs(self.model)))
        openvino.save_model(nncf.quantize(model, calibration, model_type=nncf.ModelType.TRANSFORMER,
                                          subset_size=len(CALIBRATION_TEXTS)), folder / "model.xml")

    def compress_openvino(self, folder):
        """Int8 weights; OpenVINO quantizes the activations as it goes, where the CPU can."""
        import nncf
        import openvino
        model = openvino.Core().read_model(self.openvino())
        openvino.save_model(nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM),
                            folder / "model.xml")

    def convert_ctranslate2(self, folder):
        from ctranslate2 import converters
        converters.TransformersConverter(self.model).convert(str(folder / "model"))


def traced(path):
    """The model with its pooling as one module of ids and mask, and an example of its input."""
    import sentence_transformers
    import torch
    warnings.filterwarnings("ignore")
    st = sentence_transformers.SentenceTransformer(path, device="cpu").eval()

    class Embedding(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bert = st[0].auto_model

        def forward(self, input_ids, attention_mask):
            hidden = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
            return torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)

    require_mean_pooling(path)
    ids = torch.randint(1000, 20000, (2, 16))
    mask = torch.ones_like(ids)
    mask[1, 10:] = 0
    return Embedding().eval(), (ids, mask)


def require_mean_pooling(path):
    import json
    config = json.loads((pathlib.Path(path) / "1_Pooling" / "config.json").read_text())
    if not config.get("pooling_mode_mean_tokens", config.get("pooling_mode") == "mean"):
        raise RuntimeError(f"{path}: the peers' graphs are made for models that pool by the mean")


CALIBRATION_TEXTS = [
    "How do I reset my password?", "The meeting was moved to Thursday at ten.", "It rained all night in the valley.",
    "Two dogs run across a field after a red ball.", "Prices rose by three percent in the last quarter.",
    "She had never seen the sea before that summer, and she did not say a word until the evening, when the boats came "
    "back and the lamps along the harbour were lit one by one.",
    "A transaction that was begun and neither committed nor rolled back keeps its locks; the server log shows which "
    "client holds them, for how long, and which statements are waiting behind it.",
    "The committee published its findings on water quality in forty rivers. Nitrate had fallen in most of them since "
    "the first survey, phosphorus in about half, while the number of species found near the mouths had hardly changed.",
] * 4


def calibration_inputs(path):
    import numpy
    import tokenizers
    tokenizer = tokenizers.Tokenizer.from_file(f"{path}/tokenizer.json")
    tokenizer.no_padding()
    for index, text in enumerate(CALIBRATION_TEXTS):
        # Longer and longer: what the loads have lies between 5 and 512 tokens.
        ids = numpy.array([(tokenizer.encode(" ".join([text] * (1 + index // 8))).ids)[:512]], dtype=numpy.int64)
        yield {"input_ids": ids, "attention_mask": numpy.ones_like(ids)}
