#!/usr/bin/env python3
"""Writes tests/data/torch/: small files of torch.save, well-formed and not, for the reader of such files.

    build/venv/bin/python tools/make_torch_files.py

Every tensor counts from 0 in its own order (torch.arange), so that a test knows its values by its shape.
"""

import collections
import json
import os
import pathlib
import zipfile

import torch

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data" / "torch"


def counted(*shape, dtype=torch.float32):
    return torch.arange(torch.Size(shape).numel()).reshape(shape).to(dtype)


def linear():
    """As bge-m3's sparse_linear.pt: a module's state dict, which has the attribute _metadata."""
    module = torch.nn.Linear(4, 1)
    with torch.no_grad():
        module.weight.copy_(counted(1, 4))
        module.bias.copy_(counted(1))
    return module.state_dict()


def every_dtype():
    kinds = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16, "i64": torch.int64,
             "i32": torch.int32, "i8": torch.int8, "u8": torch.uint8, "f64": torch.float64, "bool": torch.bool}
    return {name: counted(2, 3, dtype=dtype) for name, dtype in kinds.items()}


def layouts():
    base = counted(4, 6)
    return collections.OrderedDict(
        base=base, transposed=base.t(), columns=base[:, 1:3], rows=base[1:3], one=base[2, 3], empty=base[:0],
        expanded=base[:1].expand(3, 6), tied=base, rank3=counted(2, 3, 4).permute(2, 0, 1), rank5=counted(1, 1, 1, 1, 2),
        parameter=torch.nn.Parameter(counted(3)), count=7, note="text")


class Payload:
    """What an attacker would write: unpickling it would call os.system."""

    def __reduce__(self):
        return (os.system, ("touch /tmp/pickle_was_executed",))


def shards():
    parts = {"pytorch_model-00001-of-00002.bin": {"a": counted(2), "b": counted(3)},
             "pytorch_model-00002-of-00002.bin": {"c": counted(2, 2)}}
    for name, tensors in parts.items():
        torch.save(tensors, FOLDER / "sharded" / name)
    weight_map = {tensor: name for name, tensors in parts.items() for tensor in tensors}
    return {"metadata": {"total_size": 36}, "weight_map": weight_map}


def rewritten(source, target, compression):
    with zipfile.ZipFile(source) as stored, zipfile.ZipFile(target, "w") as written:
        for name in stored.namelist():
            entry = zipfile.ZipInfo(name)  # no date of today
            written.writestr(entry, stored.read(name), compression)


def with_zip64(source, target):
    """The records that a file of more than 4 GiB has, in a small one."""
    limits = zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT
    zipfile.ZIP64_LIMIT = zipfile.ZIP_FILECOUNT_LIMIT = 0
    rewritten(source, target, zipfile.ZIP_STORED)
    zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT = limits


def main():
    (FOLDER / "sharded").mkdir(parents=True, exist_ok=True)
    torch.save(linear(), FOLDER / "linear.pt")
    torch.save(every_dtype(), FOLDER / "dtypes.pt")
    torch.save(layouts(), FOLDER / "layouts.pt")
    torch.save(layouts(), FOLDER / "protocol4.pt", pickle_protocol=4)
    torch.save({"weight": counted(2), "payload": Payload()}, FOLDER / "payload.pt")
    torch.save([counted(2)], FOLDER / "list.pt")
    torch.save(linear(), FOLDER / "legacy.pt", _use_new_zipfile_serialization=False)
    torch.jit.script(torch.nn.Linear(2, 1)).save(str(FOLDER / "script.pt"))
    rewritten(FOLDER / "linear.pt", FOLDER / "deflated.pt", zipfile.ZIP_DEFLATED)
    with_zip64(FOLDER / "linear.pt", FOLDER / "zip64.pt")
    index = FOLDER / "sharded" / "pytorch_model.bin.index.json"
    index.write_text(json.dumps(shards(), indent=2) + "\n", encoding="utf-8")
    print(f"torch {torch.__version__}: {sum(1 for _ in FOLDER.rglob('*.*'))} files in {FOLDER}")


if __name__ == "__main__":
    main()
