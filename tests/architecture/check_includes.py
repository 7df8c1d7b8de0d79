#!/usr/bin/env python3
"""Checks that the house keeps its arrows: every #include, and a few habits that a machine can see.

    check_includes.py ROOT         prints each violation as file:line: what; exit 1 when there is one
    check_includes.py --self-test  breaks each rule in a made-up tree and checks that it is caught

The rooms and what each may include come from src/CMakeLists.txt itself (wde_module(... DEPENDS ...)), so the
build and this check cannot disagree.
"""

import pathlib
import re
import sys
import tempfile

# A room's name in src/CMakeLists.txt that has no wde_module line, and what it may include.
ENTRYPOINTS = ("base", "engine", "schema", "metrics", "entrypoints")

# Which files under src/ may name a third-party header. First match of the include wins.
CONFINED = (
    (r"spdlog/", r"base/log\.cc"),
    (r"prometheus/", r"metrics/.*"),
    (r"boost/(beast|asio)\b", r"entrypoints/http/.*"),
    (r"boost/crc\.hpp", r"entrypoints/cli/search_corpus\.cc"),
    (r"boost/json", r"base/json\.(h|cc)|entrypoints/.*"),
    (r"boost/", r"entrypoints/http/.*"),
    (r"CLI/", r"entrypoints/cli/.*"),
    (r"(dnnl|oneapi/)", r"ops/.*"),
    (r"hwy/", r"(ops|attention|retrieval)/.*"),
    (r"(immintrin|x86intrin|arm_neon)\.h", r"(ops|attention)/cpu/.*"),
    (r"curl/", r"checkpoint/.*"),
    (r"openssl/", r"(checkpoint|entrypoints/http)/.*|tokenizer/base64\.cc"),
    (r"zip\.h", r"checkpoint/zip_archive\.cc"),
    (r"utf8proc", r"tokenizer/.*"),
    (r"pcre2", r"tokenizer/regex\.cc"),
    (r"google/protobuf/", r"tokenizer/sentencepiece_model\.cc"),
    (r"fmt/", r".*"),
)

# Headers that the build writes.
GENERATED = ("wde_commit.h",)

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
MODULE = re.compile(r"^wde_module\(([^)]*)\)", re.MULTILINE)
KEYWORDS = ("DEPENDS", "LIBRARIES", "PUBLIC_LIBRARIES")
SYSTEM_HEADER = re.compile(r"([a-z_0-9]+|[a-z_0-9/]+\.h)$")


def rooms(root):
    """{room: rooms it may include}, itself too."""
    text = re.sub(r"#.*", "", (root / "src" / "CMakeLists.txt").read_text(encoding="utf-8"))
    table = {}
    for match in MODULE.finditer(text):
        words = match.group(1).split()
        depends, keyword = set(), None
        for word in words[1:]:
            if word in KEYWORDS:
                keyword = word
            elif keyword == "DEPENDS":
                depends.add(word)
        table[words[0]] = depends | {words[0]}
    table["entrypoints"] = set(ENTRYPOINTS)
    return table


def sources(folder):
    return sorted(path for path in folder.rglob("*") if path.suffix in (".h", ".cc", ".cu", ".cuh"))


def includes(text):
    """(line number, quote, path) of each #include."""
    for number, line in enumerate(text.splitlines(), start=1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1), match.group(2)


def without_comments_and_strings(text):
    """The same lines, with comments and string literals blanked."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', re.DOTALL)
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match.group(0)), text)


def check_own_include(room, allowed, path):
    first = path.split("/")[0]
    if first == "wde" or path in GENERATED:
        return None
    if "/" not in path:
        return f'"{path}": includes are rooted at src/'
    if first not in allowed:
        return f'"{path}": {room} may not include {first} (src/CMakeLists.txt)'
    return None


def check_third_party(name, path):
    for pattern, where in CONFINED:
        if re.match(pattern, path):
            if re.fullmatch(where, name):
                return None
            return f"<{path}> belongs in {where}"
    if SYSTEM_HEADER.match(path):
        return None
    return f"<{path}>: unknown library; add it to CONFINED and to docs/dependencies.md"


def check_source(root, file, table):
    name = file.relative_to(root / "src").as_posix()
    room = name.split("/")[0]
    text = file.read_text(encoding="utf-8")
    if room not in table:
        yield 1, f"src/{room} has no wde_module line in src/CMakeLists.txt"
        return
    for number, quote, path in includes(text):
        if quote == '"' and not path.startswith("hwy/"):  # Highway's own re-inclusion wants quotes
            wrong = check_own_include(room, table[room], path)
        else:
            wrong = check_third_party(name, path)
        if wrong:
            yield number, wrong
    yield from check_habits(name, file, text)


def check_habits(name, file, text):
    code = without_comments_and_strings(text)
    for number, line in enumerate(code.splitlines(), start=1):
        if re.search(r"\bgetenv\s*\(", line) and name != "base/env.cc":
            yield number, "the environment is read in base/env.cc only"
        if file.suffix in (".h", ".cuh") and re.match(r"\s*using\s+namespace\b", line):
            yield number, "no `using namespace` in a header"
    for number, line in enumerate(text.splitlines(), start=1):
        if re.search(r"\b(TODO|FIXME|XXX)\b|^\s*#\s*if\s+0\b", line):
            yield number, "no TODO, FIXME, XXX or #if 0: finish it or write an issue"
    if file.suffix == ".h" and not name.endswith("-inl.h") and "#pragma once" not in text:
        yield 1, "a header needs #pragma once"


def check_public_header(file):
    text = file.read_text(encoding="utf-8")
    for number, _, path in includes(text):
        if not path.startswith("wde/") and not re.fullmatch(r"[a-z_0-9]+|std[a-z]+\.h", path):
            yield number, f"{path}: public headers include the standard library and wde/ only"
    yield from check_habits("include/" + file.name, file, text)


def violations(root):
    table = rooms(root)
    found = []
    for file in sources(root / "src"):
        found += [f"{file.relative_to(root)}:{number}: {what}" for number, what in check_source(root, file, table)]
    for file in sources(root / "include"):
        found += [f"{file.relative_to(root)}:{number}: {what}" for number, what in check_public_header(file)]
    return found


CLEAN_TREE = {
    "src/CMakeLists.txt": "wde_module(base)\nwde_module(tensor DEPENDS base)\n"
                          "wde_module(ops DEPENDS base tensor LIBRARIES dnnl)\nwde_module(engine\n  DEPENDS base)\n",
    "src/base/log.cc": '#include "base/log.h"\n#include <spdlog/spdlog.h>\n',
    "src/base/env.cc": "#include <cstdlib>\nauto value = std::getenv(name);\n",
    "src/ops/gemm.cc": '#include "tensor/tensor.h"\n#include <dnnl.hpp>\n// getenv( in a comment is fine\n',
    "src/engine/engine.cc": '#include "base/log.h"\n#include "wde/engine.h"\n',
    "src/entrypoints/cli/main.cc": '#include "engine/engine.h"\n#include <CLI/CLI.hpp>\n',
    "include/wde/engine.h": '#pragma once\n#include <string>\n#include "wde/types.h"\n',
}

# One file that breaks one rule, and a word of the complaint.
BROKEN = (
    ("src/tensor/a.cc", '#include "ops/gemm.h"\n', "tensor may not include ops"),
    ("src/base/a.cc", '#include "tensor/tensor.h"\n', "base may not include tensor"),
    ("src/engine/a.cc", '  #  include "ops/gemm.h"\n', "engine may not include ops"),
    ("src/entrypoints/http/a.cc", '#include "tensor/tensor.h"\n', "entrypoints may not include tensor"),
    ("src/ops/a.cc", '#include "gemm.h"\n', "rooted at src/"),
    ("src/newroom/a.cc", "int x;\n", "no wde_module line"),
    ("src/ops/a.cc", "#include <spdlog/spdlog.h>\n", "belongs in"),
    ("src/ops/a.cc", "#include <utf8proc.h>\n", "belongs in"),
    ("src/engine/a.cc", "#include <dnnl.hpp>\n", "belongs in"),
    ("src/engine/a.cc", '#include "hwy/highway.h"\n', "belongs in"),
    ("src/engine/a.cc", "#include <boost/asio.hpp>\n", "belongs in"),
    ("src/engine/a.cc", "#include <Eigen/Dense>\n", "unknown library"),
    ("src/engine/a.cc", 'auto v = getenv("HOME");\n', "environment"),
    ("src/ops/a.h", "#pragma once\nusing namespace std;\n", "using namespace"),
    ("src/ops/a.h", "int x;\n", "#pragma once"),
    ("src/ops/a.cc", "// TO" + "DO: later\n", "finish it"),
    ("src/ops/a.cc", "#if 0\n#endif\n", "finish it"),
    ("include/wde/a.h", "#pragma once\n#include <boost/json.hpp>\n", "public headers"),
    ("include/wde/a.h", '#pragma once\n#include "base/status.h"\n', "public headers"),
)


def write_tree(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def self_test():
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        write_tree(pathlib.Path(folder), CLEAN_TREE)
        failures += [f"clean tree: {found}" for found in violations(pathlib.Path(folder))]
    for name, text, expected in BROKEN:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            write_tree(root, CLEAN_TREE | {name: text})
            found = violations(root)
            if len(found) != 1 or expected not in found[0] or not found[0].startswith(name + ":"):
                failures.append(f"{name}: {text!r} gave {found}, expected one with {expected!r}")
    return failures


def main():
    if sys.argv[1:] == ["--self-test"]:
        found, checked = self_test(), f"{len(BROKEN)} broken trees caught"
    elif len(sys.argv) == 2:
        root = pathlib.Path(sys.argv[1])
        found, checked = violations(root), f"{len(sources(root / 'src'))} files keep the arrows"
    else:
        sys.exit(__doc__)
    print("\n".join(found) if found else checked)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
