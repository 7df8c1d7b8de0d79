#!/usr/bin/env python3
"""Writes tests/base/utf8_cases.inc: hostile byte strings and what Python's errors="replace" makes of them.

The answers are CPython's own; run with: python3 tools/make_utf8_cases.py > tests/base/utf8_cases.inc
"""
import itertools
import platform
import random

# Every edge of table 3-7 of the Unicode standard, from both sides.
EDGES = bytes([0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1,
               0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF])


def cases():
    for length in (1, 2):
        for combination in itertools.product(EDGES, repeat=length):
            yield bytes(combination)
    generator = random.Random(20240501)
    for length in (3, 4, 5, 9):
        for _ in range(300):
            yield bytes(generator.choice(EDGES) for _ in range(length))
    for text in ("naïve", "日本語", "🙂", "\U0010ffff", "\x00", "\ufeffx"):
        whole = text.encode()
        for end in range(len(whole) + 1):
            yield whole[:end]
            yield whole[:end] + b"a"


def literal(data):
    return '"' + "".join(f"\\x{byte:02x}" for byte in data) + '"'


print(f"// Made by tools/make_utf8_cases.py with CPython {platform.python_version()}.")
print("// {bytes, length, bytes decoded with errors=\"replace\", length}")
for case in cases():
    decoded = case.decode("utf-8", errors="replace").encode()
    print(f"{{{literal(case)}, {len(case)}, {literal(decoded)}, {len(decoded)}}},")
