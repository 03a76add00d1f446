"""Heatmaps of the attention weights of one example, and of a cell's input gate if the run kept its gates."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seqtool.analysis.figures import render_figure, shortened
from seqtool.analysis.report.visible_symbols import visible
from seqtool.runs.contents import Run, Seed
from seqtool.runs.files import write_atomic

COLUMNS = 4
MAX_LABELS = 64
"""An axis with more symbols has no labels."""
LABEL_INCHES = 0.08
"""Space along an axis that a label needs."""


@dataclass(frozen=True)
class Alignment:
    """Attention of one variant in one example: `weights [T, S]`, `gold [T]`, `gate [units, steps]` or None."""

    title: str
    source: list[str]
    predicted: list[str]
    weights: Any
    gold: Any
    gate: Any
    gate_title: str


def draw_weights(run: Run, path: Path) -> None:
    """Write weights.png: for each variant with attention, the weights of its first seed in the first example.

    Rows are target symbols, columns are source symbols, rings mark the gold alignment. If the run kept its gates, the
    input gate of the first cell that has one is drawn above. A run without attention gets no figure.
    """
    finished = [(name, [seed for seed in seeds if seed.finished]) for name, seeds in run.variants.items()]
    firsts = [(name, seeds[0]) for name, seeds in finished if seeds and has_weights(seeds[0], 0)]
    alignments = [alignment_with_gate(name, seed, 0) for name, seed in firsts]
    if not alignments:
        return
    columns = min(COLUMNS, len(alignments))
    rows = -(-len(alignments) // columns)
    gated = any(alignment.gate is not None for alignment in alignments)
    size = (4.2 * columns, (2.6 + 1.6 * gated) * rows + 0.4)
    figure = Figure(figsize=size, dpi=150, layout="constrained")
    ratios = [1.6, 2.6] if gated else [1.0]
    grid = figure.subplots(rows * len(ratios), columns, squeeze=False, height_ratios=ratios * rows)
    for axes in grid.flat:
        axes.set_visible(False)
    for i, alignment in enumerate(alignments):
        row, column = divmod(i, columns)
        if alignment.gate is not None:
            draw_gate(grid[2 * row][column], alignment)
        draw_alignment(grid[(row + 1) * len(ratios) - 1][column], alignment)
    figure.suptitle(shortened(run.plan["recipe"], 30 * columns))
    write_atomic(path, render_figure(figure))


def has_weights(seed: Seed, example: int) -> bool:
    """Whether this example and its attention weights can be read."""
    return seed.attention is not None and example < min(len(seed.attention.weights), len(seed.examples))


def alignment_of(title: str, seed: Seed, example: int, head: int | None = None) -> Alignment:
    """The alignment of an example that `has_weights`; `head` None is the mean over heads."""
    assert seed.attention is not None
    arrays, one = seed.attention, seed.examples[example]
    weights = arrays.weights[example].mean(0) if head is None else arrays.weights[example][head]
    weights, gold, source = weights[:, arrays.memory_mask[example]], arrays.gold[example], one.source
    predicted = (one.predicted or one.target)[: len(weights)]
    if weights.shape[1] != len(source):
        source, gold = [""] * weights.shape[1], np.full_like(gold, -1)
    return Alignment(title, source, predicted, weights[: len(predicted)], gold, None, "")


def alignment_with_gate(title: str, seed: Seed, example: int) -> Alignment:
    """As `alignment_of`, with the input gate of the first cell that has one, if the run kept its gates."""
    alignment = alignment_of(title, seed, example)
    # the first cell reads the source forwards; the steps of a backward cell would have to be reversed
    # "encoder.cells.0/input", or "encoder.cells.0/layer1.input" of a stack
    name = next((name for name in seed.gates if re.split(r"[/.]", name)[-1] in ("input", "update")), None)
    if name is None or example >= len(seed.gates[name]):
        return alignment
    return replace(alignment, gate=seed.gates[name][example].T, gate_title=f"{title}: {name.replace('/', ', ')} gate")


def draw_alignment(axes: Axes, alignment: Alignment, size: tuple[float, float] = (np.inf, np.inf)) -> None:
    """Draw the weights as a heatmap, white for 0.

    Args:
        size: width and height in inches; labels that would overlap are omitted.
    """
    axes.set_visible(True)
    darkest = max(0.25, float(alignment.weights.max(initial=0)))  # uniform weights stay pale
    axes.imshow(alignment.weights, aspect="auto", cmap="Blues", vmin=0, vmax=darkest, interpolation="nearest")
    steps = [t for t in range(len(alignment.predicted)) if t < len(alignment.gold) and alignment.gold[t] >= 0]
    gold = [alignment.gold[t] for t in steps]
    axes.scatter(gold, steps, s=14, facecolors="none", edgecolors="#D55E00", linewidths=0.7)
    axes.set_title(shortened(alignment.title, 40), fontsize=9)
    axes.set_xlabel("source", fontsize=8)
    axes.set_ylabel("target", fontsize=8)
    axes.tick_params(labelsize=6, length=2)
    for symbols, inches, set_ticks in (
        (alignment.source, size[0], axes.set_xticks),
        (alignment.predicted, size[1], axes.set_yticks),
    ):
        if len(symbols) <= min(MAX_LABELS, inches / LABEL_INCHES):
            set_ticks(range(len(symbols)), [shortened(visible(symbol), 8) for symbol in symbols])


def draw_gate(axes: Axes, alignment: Alignment) -> None:
    """Draw the gate as a heatmap, with a row for each unit."""
    axes.set_visible(True)
    axes.imshow(alignment.gate, aspect="auto", cmap="Greys", vmin=0, vmax=1, interpolation="nearest")
    axes.set_title(shortened(alignment.gate_title, 60), fontsize=9)
    axes.set_ylabel("unit", fontsize=8)
    axes.tick_params(labelsize=6, length=2)
