"""What bf16 and int8 cost torch itself with the tiny models, so that the engine's loss can be held against it: the same
answers in bf16, and in fp32 with torch's own dynamic quantization of every linear layer to 8 bits
(torch.ao.quantization.quantize_dynamic as it is by default: a scale for a matrix, one for the activations of a call)."""

import warnings

import torch
from transformers.pytorch_utils import Conv1D

import golden_hub
import golden_texts

PRECISIONS = ("bf16", "int8")


def make_oracle(precision, make):
    """`make(dtype)` loads the model."""
    if precision == "bf16":
        return make(torch.bfloat16)
    oracle = make(torch.float32)
    warnings.filterwarnings("ignore")  # that it may go some day
    if isinstance(oracle.model, golden_hub.HubModel):
        oracle.model.quantizes = True  # it has no modules to exchange
    else:
        replace_conv1d(oracle.model)
        torch.ao.quantization.quantize_dynamic(oracle.model, {torch.nn.Linear}, dtype=torch.qint8, inplace=True)
    return oracle


def replace_conv1d(module):
    """GPT-2's matrices as linear layers, which they are but for their layout."""
    for name, child in module.named_children():
        if not isinstance(child, Conv1D):
            replace_conv1d(child)
            continue
        linear = torch.nn.Linear(child.nx, child.nf)
        linear.weight.data, linear.bias.data = child.weight.data.T.contiguous(), child.bias.data
        setattr(module, name, linear)


def text_of(case, name):
    if name in case:
        return case[name]
    import base64
    return golden_texts.decode(base64.b64decode(case[name + "_base64"])) if name + "_base64" in case else None


def smallest_cosine(oracle, cases):
    """Over the cases' embeddings and hidden states, each as one vector: what the engine's tests compare, too."""
    smallest = 1.0
    for case in cases:
        answer = oracle.answer(text_of(case, "text"), text_of(case, "pair"), case.get("options", {}), check=False)
        for name in ("embedding", "hidden"):
            if name in case:
                expected = torch.tensor(case[name], dtype=torch.float64).flatten()
                found = torch.from_numpy(answer[name]).double().flatten()
                smallest = min(smallest, torch.nn.functional.cosine_similarity(expected, found, dim=0).item())
    return smallest


def cosines(cases, make):
    """{"bf16_cosine": …, "int8_cosine": …}."""
    return {f"{precision}_cosine": round(smallest_cosine(make_oracle(precision, make), cases), 9)
            for precision in PRECISIONS}
