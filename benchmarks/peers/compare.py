#!/usr/bin/env python3
"""Times WDE and the other engines on the same texts, threads and precision, taking turns in one run.

For each model, precision and load: every contestant embeds all texts once and its vectors are held against those of
--reference (sentence-transformers in f32; of a GGUF file's codes, of the numbers that they stand for); then come the rounds, in which each has one turn, in an order that rotates. Before and
after each turn a register-only loop measures what the cores can do at that moment.

  benchmarks/peers/run.sh --quick
  benchmarks/peers/run.sh --json report.json --svg report.svg
  benchmarks/peers/run.sh --tokenization-only --tokenizers all --threads 1
  benchmarks/peers/run.sh --models bge-base --loads short,passages --precisions int8 --rounds 3
  benchmarks/peers/run.sh --models xlmr-large,bert-large --layers 6 --contestants wde,torch --precisions f32
  benchmarks/peers/run.sh --models qwen3-0.6b --loads prefill,shared-prefix --contestants wde,llama.cpp,torch \\
      --precisions f32,bf16,q4_0,q4_k_m
  benchmarks/peers/run.sh --models mistral-7b --loads prefill --contestants wde,llama.cpp --precisions bf16 --apart \\
      --reference wde:bf16       # one in memory at a time
"""

import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

import numpy as np
import tokenizers

import chart
import loads
import models
import results
import tokenizer_folders
from contestant import UNSHARED, Contestant, Failed, is_wde

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONTESTANTS = ("wde", "torch", "onnxruntime", "openvino", "ctranslate2", "llama.cpp")
PRECISIONS = ("f32", "bf16", "int8", "q4_0", "q4_k_m")
LOADS = ("short", "passages", "long", "query", "forward", "prefill", "shared-prefix")
CAUSAL_LOADS = ("shared-prefix",)  # what can be shared, only a causal model shares
TOKENIZATION_LOADS = ("short", "passages", "passages-de", "passages-zh", "long")


class Run:
    def __init__(self, arguments):
        self.arguments = arguments
        self.folder = tempfile.TemporaryDirectory(prefix="wde-peers-")
        self.log = open(pathlib.Path(self.folder.name) / "log", "w")
        self.peak = self.start("wde")
        self.report = {"machine": machine(), "commit": commit(), "threads": arguments.threads, "versions": {},
                       "left_out": [], "loads": [], "tokenization": []}

    def start(self, name, threads=None):
        return Contestant(name, self.arguments.wde, threads or self.arguments.threads, self.log)

    def file(self, name):
        return str(pathlib.Path(self.folder.name) / name)

    def progress(self, text):
        if sys.stderr.isatty():
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

    def say(self, text):
        self.progress("")
        print(text, flush=True)

    def leave_out(self, contestant, precision, where, reason):
        reason = str(reason).splitlines()[0].removeprefix("Refused: ")
        self.report["left_out"].append(
            {"contestant": contestant, "precision": precision, "where": where, "reason": reason})
        self.say(f"left out: {contestant} {precision}, {where}: {reason}")

    def measure_peak(self, precision):
        return self.peak.ask("peak", precision, self.arguments.threads)["gflops"]

    # A model.

    def compare_model(self, name):
        self.progress(f"{name}: making the model")
        model = models.make_model(name, pathlib.Path(self.arguments.minilm), ROOT / "build" / "peers-models",
                                  self.arguments.layers)
        tokenizer = tokenizers.Tokenizer.from_file(str(model.path / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self.progress(f"{name}: texts")
        work = [self.make_load(load_name, model, tokenizer) for load_name in self.arguments.loads
                if model.causal or load_name not in CAUSAL_LOADS]
        references = {}  # by the file that is loaded
        for precision in self.arguments.precisions:
            self.progress(f"{name} {precision}: making its file")
            try:
                file = model.file(precision)
            except ValueError as error:
                self.leave_out("all", precision, name, error)
                continue
            if file not in references:
                references[file] = self.reference_vectors(file, work)
            self.reference = references[file]
            self.compare_precision(model, precision, work)

    def make_load(self, name, model, tokenizer):
        count = self.arguments.texts or loads.TEXTS[name][model.size]
        count = max(min(count, 8), count // 8) if self.arguments.quick else count
        load = loads.make_load(name, tokenizer, self.arguments.data, count)
        pathlib.Path(self.file(load.name)).write_text("".join(text + "\n" for text in load.texts))
        return load

    def reference_vectors(self, file, work):
        name, precision = self.arguments.reference
        reference = self.start(name)
        try:
            reference.load(file, precision, self.arguments.threads)
            if not is_wde(name):
                reference.ask("texts", self.file(work[0].name), work[0].kind)
                reference.ask("choose", work[0].kind)
            return {load.name: self.vectors(reference, load) for load in work}
        except Failed as error:
            sys.exit(f"--reference {name}:{precision}: {error}")
        finally:
            reference.end()

    def vectors(self, contestant, load):
        self.progress(f"{load.name}: vectors of {contestant.name}")
        contestant.ask("texts", self.file(load.name), load.kind)
        columns = contestant.ask("vectors", self.file("vectors"))["columns"]
        return np.fromfile(self.file("vectors"), dtype="<f4").reshape(len(load.texts), columns)

    # A precision.

    def compare_precision(self, model, precision, work):
        names = list(self.arguments.contestants)
        if "wde" in names and any(load.name in CAUSAL_LOADS for load in work):
            names.insert(names.index("wde") + 1, UNSHARED)
        measured = {load.name: results.LoadResult(model, precision, load) for load in work}
        together = [[name] for name in names] if self.arguments.apart else [names]
        for group in together:
            contestants = self.load_contestants(group, model, precision)
            try:
                for load in work:
                    self.compare_load(measured[load.name], load, contestants)
                    if group is together[-1]:
                        self.report_load(measured[load.name])
            finally:
                for contestant in contestants:
                    contestant.end()

    def load_contestants(self, names, model, precision):
        contestants = []
        for name in names:
            self.progress(f"{model.name} {precision}: loading {name}")
            contestant = self.start(name)
            try:
                reply = contestant.load(model.file(precision), precision, self.arguments.threads)
                contestant.form = reply.get("form", "")
                self.report["versions"][name] = reply["version"]
                contestants.append(contestant)
            except Failed as error:
                self.leave_out(name, precision, model.name, error)
                contestant.end()
        return contestants

    def compare_load(self, result, load, contestants):
        able = [contestant for contestant in contestants if contestant.name != UNSHARED or load.name in CAUSAL_LOADS]
        able = [contestant for contestant in able if self.prepare(contestant, result, load)]
        slow = set()
        for round_number in range(self.arguments.rounds):
            start = round_number % len(able) if able else 0
            for contestant in able[start:] + able[:start]:
                if contestant in slow:
                    continue
                self.progress(f"{result.model.name} {result.precision} {load.name}: round {round_number + 1}, "
                              f"{contestant.name}")
                begin = time.monotonic()
                self.turn(contestant, result, load)
                if time.monotonic() - begin > self.arguments.slow_seconds and not is_wde(contestant.name):
                    slow.add(contestant)

    def report_load(self, result):
        if not result.entries:
            return
        self.report["loads"].append(result.summary())
        self.progress("")
        print("\n" + results.load_table(self.report["loads"][-1]), flush=True)

    def prepare(self, contestant, result, load):
        """Its fastest form for this load, and whether it computes the same."""
        try:
            contestant.ask("texts", self.file(load.name), load.kind)
            if not is_wde(contestant.name):
                self.progress(f"{load.name}: choosing how {contestant.name} runs")
                contestant.form = contestant.ask("choose", load.kind)["form"]
            vectors = self.vectors(contestant, load)
        except Failed as error:
            self.leave_out(contestant.name, result.precision, f"{result.model.name} {load.name}", error)
            return False
        agreement = results.Agreement(vectors, self.reference[load.name], result.precision, contestant.name)
        if agreement.refusal:
            if is_wde(contestant.name):
                sys.exit(f"{contestant.name} {result.precision}, {load.name}: {agreement.refusal}")
            self.leave_out(contestant.name, result.precision, f"{result.model.name} {load.name}", agreement.refusal)
            return False
        result.add(contestant.name, contestant.form, agreement)
        return True

    def turn(self, contestant, result, load):
        before = self.measure_peak(result.precision)
        if load.kind == "query":
            count = 10 if self.arguments.quick else self.arguments.queries
            measured = contestant.ask("query", count)
        else:
            measured = contestant.ask("bulk", self.arguments.seconds)
        result.add_turn(contestant.name, measured, max(before, self.measure_peak(result.precision)))

    # Tokenization alone.

    def compare_tokenization(self):
        for name in self.tokenizer_names():
            self.progress(f"{name}: making its folders")
            if name == "minilm":
                path = models.make_model(name, pathlib.Path(self.arguments.minilm), ROOT / "build" / "peers-models").path
                folders = tokenizer_folders.TokenizerFolders(name, path, path)
            else:
                folders = tokenizer_folders.make(name, self.tokenizer_data(), pathlib.Path(self.folder.name))
            self.compare_tokenizer(folders)

    def tokenizer_data(self):
        return pathlib.Path(self.arguments.data).parent / "tokenizers"

    def tokenizer_names(self):
        if self.arguments.tokenizers != ["all"]:
            return self.arguments.tokenizers
        return tokenizer_folders.names(self.tokenizer_data())

    def compare_tokenizer(self, folders):
        tokenizer = tokenizers.Tokenizer.from_file(str(folders.package / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        for name in [name for name in TOKENIZATION_LOADS if name.split("-")[0] in self.arguments.loads]:
            load = loads.make_load(name, tokenizer, self.arguments.data, 4000)
            load.texts = [text for text, ids in zip(load.texts, loads.token_ids(tokenizer, load.texts))
                          if len(ids) <= loads.LIMIT]
            pathlib.Path(self.file(name)).write_text("".join(text + "\n" for text in load.texts))
            expected = loads.token_ids(tokenizer, load.texts)
            for threads in sorted({1, self.arguments.threads}):
                self.progress(f"{folders.name} {name}, {threads} thread(s)")
                self.compare_tokenizers(folders, name, expected, threads)

    def compare_tokenizers(self, folders, name, expected, threads):
        contestants = [self.start("wde", threads), self.start("tokenizers", threads)]
        try:
            for contestant in contestants:
                path = folders.wde if contestant.name == "wde" else folders.package
                self.report["versions"][contestant.name] = contestant.ask("tokenizer", path)["version"]
                contestant.ask("texts", self.file(name), "tokenize")
                contestant.ask("tokenize", threads, 0)
            check_ids(contestants[0], self.file("ids"), expected, folders.name)
            rates = {contestant.name: [] for contestant in contestants}
            tokens = sum(map(len, expected))
            for round_number in range(self.arguments.rounds):
                for contestant in contestants[::1 if round_number % 2 else -1]:
                    measured = contestant.ask("tokenize", threads, min(0.5, self.arguments.seconds))
                    rates[contestant.name].append(tokens * measured["passes"] / measured["seconds"])
            self.report["tokenization"].append(results.tokenization_summary(folders.name, name, threads, tokens, rates))
        finally:
            for contestant in contestants:
                contestant.end()


def check_ids(contestant, path, expected, tokenizer):
    contestant.ask("ids", path)
    found = np.fromfile(path, dtype="<i4")
    if found.tolist() != [number for ids in expected for number in (len(ids), *ids)]:
        sys.exit(f"wde's token ids are not those of Hugging Face's tokenizers ({tokenizer})")


def machine():
    information = pathlib.Path("/proc/cpuinfo").read_text()
    fields = dict(line.split(":", 1) for line in information.replace("\t", "").splitlines() if ":" in line)
    flags = fields.get("flags", fields.get("Features", "")).split()
    telling = ("avx2", "fma", "avx512f", "avx512_bf16", "avx512_vnni", "avx_vnni", "amx_tile", "asimddp", "bf16")
    return {"cpu": fields.get("model name", platform.machine()).strip(), "cores": len(os.sched_getaffinity(0)),
            "family": fields.get("cpu family", "").strip(), "model": fields.get("model", "").strip(),
            "has": [flag for flag in telling if flag in flags]}


def commit():
    def git(*words):
        return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False).stdout
    return git("rev-parse", "--short", "HEAD").strip() + (" with changes" if git("status", "--short", "-uno") else "")


def listed(allowed=None):
    def parse(text):
        words = text.split(",")
        wrong = [word for word in words if allowed and word not in allowed]
        if wrong:
            raise argparse.ArgumentTypeError(f"{wrong[0]!r} is not one of {', '.join(allowed)}")
        return words
    return parse


def reference(text):
    name, _, precision = text.partition(":")
    if name not in CONTESTANTS or precision not in PRECISIONS[:2]:
        raise argparse.ArgumentTypeError(f"{text!r}: a contestant, a colon, f32 or bf16")
    return name, precision


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=listed(), default=["minilm"],
                        help=f"of minilm, {', '.join(models.NAMES)} (random weights), or folders (default: minilm)")
    parser.add_argument("--model", help="the folder of one model: as --models FOLDER")
    parser.add_argument("--layers", type=int, help="cut models of random weights to so many layers")
    parser.add_argument("--loads", type=listed(LOADS), default=list(LOADS[:5]),
                        help=f"of {', '.join(LOADS)} (default: the first five)")
    parser.add_argument("--precisions", type=listed(PRECISIONS), default=list(PRECISIONS[:3]),
                        help="of f32, bf16, int8 (the default) and, as GGUF files of decoders, q4_0 and q4_k_m")
    parser.add_argument("--contestants", type=listed(CONTESTANTS), default=list(CONTESTANTS),
                        help=f"of {', '.join(CONTESTANTS)}")
    parser.add_argument("--reference", type=reference, default=("torch", "f32"), metavar="NAME:PRECISION",
                        help="the contestant whose vectors the others' are held against (default torch:f32)")
    parser.add_argument("--apart", action="store_true",
                        help="one contestant after the other, not in turns: where memory does not hold them all")
    parser.add_argument("--no-tokenization", action="store_true", help="leave tokenization alone out")
    parser.add_argument("--tokenization-only", action="store_true", help="time nothing else")
    parser.add_argument("--tokenizers", type=listed(), default=["minilm"],
                        help="for tokenization alone: folders of DATA/../tokenizers, or all (default: minilm)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: every core")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="least time of a turn (whole passes; default 1)")
    parser.add_argument("--queries", type=int, default=100, help="of a turn of the load `query` (default 100)")
    parser.add_argument("--texts", type=int, help="of each load (default: by the model's size)")
    parser.add_argument("--slow-seconds", type=float, default=20,
                        help="a peer whose turn takes longer has one turn only (default 20)")
    parser.add_argument("--quick", action="store_true", help="few texts, short turns, two rounds: does it run?")
    parser.add_argument("--data", default=str(ROOT.parent / "shared" / "data" / "text"),
                        help="the folder with stsb/, xquad/ and long/")
    parser.add_argument("--json", help="write the report here")
    parser.add_argument("--svg", help="write the chart here")
    parser.add_argument("--wde", default=str(ROOT / "build" / "release" / "bin" / "wde_contestant"),
                        help=argparse.SUPPRESS)
    parser.add_argument("--minilm", default=str(ROOT / "build" / "models" / "all-MiniLM-L6-v2"),
                        help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.model:
        arguments.models = [arguments.model]
    if arguments.quick:
        arguments.rounds, arguments.seconds = 2, 0.1
    return arguments


def main():
    arguments = parse_arguments()
    run = Run(arguments)
    print(results.heading(run.report))
    if not arguments.tokenization_only:
        for name in arguments.models:
            run.compare_model(name)
    if not arguments.no_tokenization:
        run.compare_tokenization()
        print("\n" + results.tokenization_table(run.report["tokenization"]))
    print("\n" + results.ratio_table(run.report))
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(run.report, indent=1) + "\n")
    if arguments.svg:
        pathlib.Path(arguments.svg).write_text(chart.draw(run.report))


if __name__ == "__main__":
    main()
