"""Bars for each load and contestant, as SVG: a row of panels for each model and load, a column for each precision."""

import dataclasses
import io

OURS, THEIRS = "#c2410c", "#64748b"
PANEL_INCHES = (4.2, 0.9)  # without its bars
BAR_INCHES = 0.24


@dataclasses.dataclass
class Bar:
    name: str
    spread: dict  # median, least, most
    note: str = ""
    marked: bool = False


@dataclasses.dataclass
class Panel:
    title: str
    unit: str
    bars: list


def draw(report):
    """The file's text."""
    import matplotlib
    matplotlib.use("svg")
    import matplotlib.pyplot as plots
    rows = [*load_rows(report["loads"]), *tokenization_rows(report["tokenization"])]
    columns = max((len(row) for row in rows), default=1)
    heights = [PANEL_INCHES[1] + BAR_INCHES * max(len(panel.bars) for panel in row) for row in rows] or [1]
    figure, axes = plots.subplots(len(heights), columns, squeeze=False, layout="constrained",
                                  figsize=(PANEL_INCHES[0] * columns, sum(heights) + 0.8), height_ratios=heights)
    for row, line in zip(rows or [[]], axes):
        for axis in line[len(row):]:
            axis.set_axis_off()
        for panel, axis in zip(row, line):
            draw_panel(panel, axis)
    figure.suptitle(heading(report), fontsize=10)
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    plots.close(figure)
    return file.getvalue()


def heading(report):
    machine = report["machine"]
    return (f"{machine['cpu']} (family {machine['family']}, model {machine['model']}), {report['threads']} threads: "
            "median of the rounds, least to most; in brackets the share of the peak\n"
            "hatched: some vectors are far from the reference's")


def draw_panel(panel, axis):
    import matplotlib.ticker as ticker
    places = range(len(panel.bars))
    medians = [bar.spread["median"] for bar in panel.bars]
    errors = [[bar.spread["median"] - bar.spread["least"] for bar in panel.bars],
              [bar.spread["most"] - bar.spread["median"] for bar in panel.bars]]
    axis.barh(places, medians, xerr=errors, height=0.7, error_kw={"elinewidth": 0.8},
              color=[OURS if bar.name.startswith("wde") else THEIRS for bar in panel.bars],
              hatch=["////" if bar.marked else "" for bar in panel.bars], edgecolor="white", linewidth=0)
    for place, bar in zip(places, panel.bars):
        axis.text(bar.spread["most"], place, f"  {number(bar.spread['median'])}{bar.note}", va="center", fontsize=8)
    axis.set_yticks(places, [bar.name for bar in panel.bars], fontsize=8)
    axis.set_ylim(len(panel.bars) - 0.4, -0.6)
    axis.set_xlim(0, 1.45 * max(bar.spread["most"] for bar in panel.bars))
    axis.xaxis.set_major_locator(ticker.MaxNLocator(4))
    axis.xaxis.set_major_formatter(ticker.EngFormatter(sep=""))
    axis.tick_params(axis="x", labelsize=7)
    axis.set_title(panel.title, fontsize=9, loc="left")
    axis.set_xlabel(panel.unit, fontsize=7)
    axis.spines[["top", "right"]].set_visible(False)


def number(value):
    if value >= 1e5:
        return f"{value / 1e6:.2f} M"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def load_rows(loads):
    """Side by side the precisions of a model's load."""
    rows = {}
    for load in loads:
        if load["contestants"]:
            rows.setdefault((load["model"], load["load"]), []).append(load_panel(load))
    return rows.values()


def load_panel(load):
    query = load["load"] == "query"
    bars = [Bar(one["name"], one["p50_ms" if query else "docs_per_s"],
                f" ({100 * one['share_of_peak']['median']:.0f} %)", one["low_cosine"]) for one in load["contestants"]]
    unit = "p50, ms: less is better" if query else "docs/s"
    title = f"{load['model']}, {load['precision']}, {load['load']}: {load['tokens'] / load['texts']:.0f} tokens"
    return Panel(title, unit, bars)


def tokenization_rows(measured):
    """Side by side the numbers of threads of a tokenizer's load."""
    rows = {}
    for one in measured:
        threads = f"{one['threads']} thread{'' if one['threads'] == 1 else 's'}"
        panel = Panel(f"tokenization, {one['tokenizer']}, {one['load']}, {threads}", "tokens/s",
                      [Bar(name, spread) for name, spread in one["tokens_per_s"].items()])
        rows.setdefault((one["tokenizer"], one["load"]), []).append(panel)
    return rows.values()
