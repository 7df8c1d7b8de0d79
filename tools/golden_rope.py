#!/usr/bin/env python3
"""Makes tests/data/rope_tables.json: cosines and sines that transformers computes for each kind of rotary scaling,
at a few positions, for tests/layers.

    build/venv/bin/python tools/golden_rope.py
"""

import json
import pathlib

import torch
import transformers
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

PATH = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data" / "rope_tables.json"
POSITIONS = [0, 1, 7, 100, 1000]
CASES = [
    {"rope_type": "default", "rope_theta": 10000.0},
    {"rope_type": "default", "rope_theta": 160000.0, "partial_rotary_factor": 0.5},
    {"rope_type": "linear", "rope_theta": 10000.0, "factor": 3.0},
    {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0},
    {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
     "original_max_position_embeddings": 128},
    {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 256},
    {"rope_type": "yarn", "rope_theta": 1000000.0, "factor": 8.0, "original_max_position_embeddings": 128,
     "truncate": False, "beta_fast": 16.0, "beta_slow": 2.0, "mscale": 1.5, "mscale_all_dim": 0.8},
    {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 2.0, "original_max_position_embeddings": 512,
     "attention_factor": 0.7},
]
HEAD_SIZE, MAX_POSITIONS = 32, 1024


def numbers(tensor):
    return [float(str(x)) for x in tensor.numpy()]


def case(parameters):
    config = transformers.LlamaConfig(hidden_size=4 * HEAD_SIZE, num_attention_heads=4,
                                      max_position_embeddings=MAX_POSITIONS, rope_parameters=dict(parameters))
    if parameters["rope_type"] == "default":
        size = int(HEAD_SIZE * parameters.get("partial_rotary_factor", 1.0))
        inverse = 1.0 / parameters["rope_theta"] ** (torch.arange(0, size, 2, dtype=torch.float) / size)
        factor = 1.0
    else:
        inverse, factor = ROPE_INIT_FUNCTIONS[parameters["rope_type"]](config)
    rows = []
    for position in POSITIONS:
        angles = torch.tensor(float(position)) * inverse
        rows.append(numbers(torch.cat((angles.cos() * factor, angles.sin() * factor))))
    return {"rope_parameters": parameters, "rows": rows}


def main():
    document = {"made_by": {"script": "tools/golden_rope.py", "transformers": transformers.__version__,
                            "torch": torch.__version__.split("+")[0]},
                "head_size": HEAD_SIZE, "max_positions": MAX_POSITIONS, "positions": POSITIONS}
    head = json.dumps(document, indent=1)[:-2]
    cases = ",\n".join(json.dumps(case(parameters)) for parameters in CASES)
    PATH.write_text(f'{head},\n "cases": [\n{cases}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
