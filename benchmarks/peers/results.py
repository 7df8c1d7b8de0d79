"""What was measured: agreement, rates, ratios and shares, and the tables of them."""

import numpy as np

from contestant import UNSHARED, is_wde

LEAST_COSINE = {"f32": 0.999, "bf16": 0.99, "int8": 0.99, "q4_0": 0.99, "q4_k_m": 0.99}


class Agreement:
    """Cosines to the reference's vectors, of codes of few bits to those of the numbers that they stand for. A low one
    is told, not refused, where activations are quantized too: in int8, and by peers that multiply such codes."""

    def __init__(self, vectors, reference, precision, contestant):
        norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(reference, axis=1)
        cosines = (vectors * reference).sum(1) / norms
        self.least = float(np.nan_to_num(cosines, nan=-1).min())
        self.first_percentile = float(np.percentile(np.nan_to_num(cosines, nan=-1), 1))
        self.low = self.least < LEAST_COSINE[precision]
        self.refusal = None
        told = precision == "int8" or (precision.startswith("q4_") and not is_wde(contestant))
        if self.low and not told:
            self.refusal = f"computes something else: cosine to the reference down to {self.least:.4f}"


class LoadResult:
    def __init__(self, model, precision, load):
        self.model = model
        self.precision = precision
        self.load = load
        self.flops = model.flops(load.lengths)
        self.entries = {}

    def add(self, name, form, agreement):
        self.entries[name] = {"name": name, "form": form, "least_cosine": agreement.least,
                              "cosine_p01": agreement.first_percentile, "low_cosine": agreement.low,
                              "rates": [], "shares": [], "peaks": [], "milliseconds": []}

    def add_turn(self, name, measured, peak):
        entry = self.entries[name]
        if "milliseconds" in measured:
            entry["milliseconds"].append(measured["milliseconds"])
            rate = 1e3 / float(np.median(measured["milliseconds"]))
            flops = self.flops / len(self.load.texts)
        else:
            rate = len(self.load.texts) * measured["passes"] / measured["seconds"]
            flops = self.flops / len(self.load.texts)
        entry["rates"].append(rate)
        entry["peaks"].append(peak)
        entry["shares"].append(rate * flops / (peak * 1e9) if peak else 0)

    def summary(self):
        contestants = [self.contestant(entry) for entry in self.entries.values() if entry["rates"]]
        return {"model": self.model.name, "random_weights": self.model.random, "precision": self.precision,
                "load": self.load.name, "texts": len(self.load.texts), "tokens": self.load.tokens,
                "gflop_per_pass": self.flops * 1e-9, "contestants": contestants, "ratio": self.ratio(),
                "sharing_ratio": self.sharing_ratio()}

    def contestant(self, entry):
        tokens = self.load.tokens / len(self.load.texts)
        summary = {key: entry[key] for key in ("name", "form", "least_cosine", "cosine_p01", "low_cosine")}
        summary |= {"docs_per_s": spread(entry["rates"]),
                    "tokens_per_s": spread([rate * tokens for rate in entry["rates"]]),
                    "share_of_peak": spread(entry["shares"]), "peak_gflops": spread(entry["peaks"]),
                    "rounds": entry["rates"]}
        if entry["milliseconds"]:
            rounds = entry["milliseconds"]
            summary["p50_ms"] = spread([float(np.percentile(one, 50)) for one in rounds])
            summary["p99_ms"] = float(np.percentile(np.concatenate(rounds), 99))
        return summary

    def ratio(self):
        """WDE's rate (for queries its median latency) over the fastest peer's, round by round."""
        peers = [entry for name, entry in self.entries.items() if not is_wde(name) and entry["rates"]]
        if "wde" not in self.entries or not peers:
            return None
        fastest = max(peers, key=lambda entry: np.median(entry["rates"]))
        ratios = [ours / theirs for ours, theirs in zip(self.entries["wde"]["rates"], fastest["rates"])]
        if self.load.kind == "query":
            ratios = [1 / ratio for ratio in ratios]
        return {"peer": fastest["name"], "low_cosine": fastest["low_cosine"]} | spread(ratios)

    def sharing_ratio(self):
        """WDE's rate over its own without shared prefixes, round by round."""
        if "wde" not in self.entries or UNSHARED not in self.entries:
            return None
        return spread([shared / apart for shared, apart in
                       zip(self.entries["wde"]["rates"], self.entries[UNSHARED]["rates"])])


def spread(values):
    return {"median": float(np.median(values)), "least": float(min(values)), "most": float(max(values))}


def heading(report):
    machine = report["machine"]
    return (f"{machine['cpu']} (family {machine['family']}, model {machine['model']}; {', '.join(machine['has'])}), "
            f"{report['threads']} of {machine['cores']} cores, commit {report['commit']}")


def load_table(summary):
    query = summary["load"] == "query"
    weights = ", random weights" if summary["random_weights"] else ""
    lines = [f"{summary['model']}{weights}, {summary['precision']}, {summary['load']}: {summary['texts']} texts, "
             f"{summary['tokens'] / summary['texts']:.0f} tokens on average"]
    speed = f"{'p50 ms':>8}  {'(of the rounds)':17}{'p99 ms':>8}" if query else (
        f"{'docs/s':>8}  {'(of the rounds)':17}{'tokens/s':>9}")
    lines.append(f"  {'':12}{speed}{'of peak':>9}{'cosine p01':>12}{'least':>8}   form")
    for one in summary["contestants"]:
        main = one["p50_ms"] if query else one["docs_per_s"]
        digits = 2 if query else 1
        between = f"({main['least']:.{digits}f}–{main['most']:.{digits}f})"
        other = f"{one['p99_ms']:8.2f}" if query else f"{one['tokens_per_s']['median']:9.0f}"
        lines.append(f"  {one['name']:12}{main['median']:8.{digits}f}  {between:17}{other}"
                     f"{100 * one['share_of_peak']['median']:7.1f} %{one['cosine_p01']:12.4f}{one['least_cosine']:8.4f}"
                     f"{' *' if one['low_cosine'] else '  '} {one['form']}")
    if any(one["low_cosine"] for one in summary["contestants"]):
        lines.append("  * some of its vectors are further than 0.99 from the reference's")
    peaks = [one["peak_gflops"]["median"] for one in summary["contestants"]]
    if peaks:
        lines.append(f"  peak {np.median(peaks):.0f} {'Gop/s' if summary['precision'] == 'int8' else 'GFLOP/s'}"
                     + ratio_text(summary, "; ") + sharing_text(summary))
    return "\n".join(lines)


def ratio_text(summary, before=""):
    ratio = summary["ratio"]
    if ratio is None:
        return ""
    what = "p50 of wde" if summary["load"] == "query" else "wde"
    return (f"{before}{what} / {ratio['peer']}{'*' if ratio['low_cosine'] else ''}: "
            f"{ratio['median']:.2f} ({ratio['least']:.2f}–{ratio['most']:.2f})")


def sharing_text(summary):
    ratio = summary["sharing_ratio"]
    if ratio is None:
        return ""
    return f"; wde / {UNSHARED}: {ratio['median']:.2f} ({ratio['least']:.2f}–{ratio['most']:.2f})"


def ratio_table(report):
    lines = ["WDE over the fastest peer of the same precision (queries: its p50, the less the better), "
             "median of the rounds, least–most; WDE's share of the measured peak"]
    for summary in report["loads"]:
        ours = [one for one in summary["contestants"] if one["name"] == "wde"]
        if ours and (summary["ratio"] or summary["sharing_ratio"]):
            ratios = (ratio_text(summary) + sharing_text(summary)).removeprefix("; ")
            lines.append(f"  {summary['model']:12}{summary['precision']:8}{summary['load']:14}"
                         f"{ratios:50}{100 * ours[0]['share_of_peak']['median']:6.1f} %")
    for one in report["tokenization"]:
        lines.append(f"  {'tokenization':13}{one['tokenizer']:31}{one['load']:12}wde / tokenizers, {one['threads']} thread(s): "
                     f"{one['ratio']['median']:.2f} ({one['ratio']['least']:.2f}–{one['ratio']['most']:.2f})")
    return "\n".join(lines)


def tokenization_summary(tokenizer, load, threads, tokens, rates):
    ratios = [ours / theirs for ours, theirs in zip(rates["wde"], rates["tokenizers"])]
    return {"tokenizer": tokenizer, "load": load, "threads": threads, "tokens": tokens, "ratio": spread(ratios),
            "tokens_per_s": {name: spread(values) for name, values in rates.items()}}


def tokenization_table(summaries):
    lines = ["tokenization alone, the same ids: tokens/s"]
    for one in summaries:
        rates = "  ".join(f"{name} {rate['median'] / 1e3:8.0f} k ({rate['least'] / 1e3:.0f}–{rate['most'] / 1e3:.0f})"
                          for name, rate in one["tokens_per_s"].items())
        lines.append(f"  {one['tokenizer']:31}{one['load']:12}{one['threads']} thread(s)  {rates}")
    return "\n".join(lines)
