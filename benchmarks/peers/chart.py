"""Bars for each load and contestant, as SVG."""

def draw(report):
    return ""
