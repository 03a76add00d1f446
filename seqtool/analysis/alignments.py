"""Where the models of a run look: the weights of one example, and what its cells' gates said if the run kept that."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seqtool.analysis.figures import picture, shortened
from seqtool.analysis.report.visible_symbols import visible
from seqtool.runs.contents import Run, Seed
from seqtool.runs.files import write_atomic

COLUMNS = 4
LABELLED = 64
"""Up to how many symbols an axis has each of them written beside it."""
NEEDED = 0.08
"""Inches that a symbol takes beside an axis."""


@dataclass(frozen=True)
class Look:
    """One example of one variant: `weights [T, S]`, the mean over heads; `gold [T]`; `gate [units, steps]` or None."""

    title: str
    source: list[str]
    predicted: list[str]
    weights: Any
    gold: Any
    gate: Any
    gate_title: str


def draw_weights(run: Run, path: Path) -> None:
    """Write weights.png: for each variant with attention, what its first seed attends to in the first example.

    Target symbols downwards, source symbols to the right, a ring where the gold symbol stands. Where a run kept its
    gates, the input gate of the first cell that has one stands above, a line a unit. A run without attention gets no
    figure.
    """
    finished = [(name, [seed for seed in seeds if seed.finished]) for name, seeds in run.variants.items()]
    looks = [look_with_gate(name, seeds[0], 0) for name, seeds in finished if seeds and has_looks(seeds[0], 0)]
    if not looks:
        return
    columns = min(COLUMNS, len(looks))
    rows = -(-len(looks) // columns)
    gated = any(look.gate is not None for look in looks)
    size = (4.2 * columns, (2.6 + 1.6 * gated) * rows + 0.4)
    figure = Figure(figsize=size, dpi=150, layout="constrained")
    ratios = [1.6, 2.6] if gated else [1.0]
    grid = figure.subplots(rows * len(ratios), columns, squeeze=False, height_ratios=ratios * rows)
    for axes in grid.flat:
        axes.set_visible(False)
    for i, look in enumerate(looks):
        row, column = divmod(i, columns)
        if look.gate is not None:
            draw_gate(grid[2 * row][column], look)
        draw_look(grid[(row + 1) * len(ratios) - 1][column], look)
    figure.suptitle(shortened(run.plan["recipe"], 30 * columns))
    write_atomic(path, picture(figure))


def has_looks(seed: Seed, example: int) -> bool:
    """Whether the weights of this example, and what it is, can be read."""
    return seed.looks is not None and example < min(len(seed.looks.weights), len(seed.examples))


def look_at(title: str, seed: Seed, example: int, head: int | None = None) -> Look:
    """An example of a seed that was read with its weights; `head` None for the mean over heads."""
    assert seed.looks is not None
    looks, one = seed.looks, seed.examples[example]
    weights = looks.weights[example].mean(0) if head is None else looks.weights[example][head]
    weights, gold, source = weights[:, looks.memory_mask[example]], looks.gold[example], one.source
    predicted = (one.predicted or one.target)[: len(weights)]
    if weights.shape[1] != len(source):
        source, gold = [""] * weights.shape[1], np.full_like(gold, -1)
    return Look(title, source, predicted, weights[: len(predicted)], gold, None, "")


def look_with_gate(title: str, seed: Seed, example: int) -> Look:
    """An example of a seed with the input gate of the first cell that has one, if the run kept its gates."""
    look = look_at(title, seed, example)
    # a cell that reads the source backwards would need its steps reversed; the first cell reads forwards
    # "encoder.cells.0/input", or "encoder.cells.0/layer1.input" of a stack
    name = next((name for name in seed.gates if re.split(r"[/.]", name)[-1] in ("input", "update")), None)
    if name is None or example >= len(seed.gates[name]):
        return look
    return replace(look, gate=seed.gates[name][example].T, gate_title=f"{title}: {name.replace('/', ', ')} gate")


def draw_look(axes: Axes, look: Look, room: tuple[float, float] = (np.inf, np.inf)) -> None:
    """A heatmap of weights, white for none.

    Args:
        room: inches that it has; symbols that would run into one another are not written.
    """
    axes.set_visible(True)
    darkest = max(0.25, float(look.weights.max(initial=0)))  # even weights stay pale
    axes.imshow(look.weights, aspect="auto", cmap="Blues", vmin=0, vmax=darkest, interpolation="nearest")
    steps = [t for t in range(len(look.predicted)) if t < len(look.gold) and look.gold[t] >= 0]
    axes.scatter([look.gold[t] for t in steps], steps, s=14, facecolors="none", edgecolors="#D55E00", linewidths=0.7)
    axes.set_title(shortened(look.title, 40), fontsize=9)
    axes.set_xlabel("source", fontsize=8)
    axes.set_ylabel("target", fontsize=8)
    axes.tick_params(labelsize=6, length=2)
    if len(look.source) <= min(LABELLED, room[0] / NEEDED):
        axes.set_xticks(range(len(look.source)), [escaped(symbol) for symbol in look.source])
    if len(look.predicted) <= min(LABELLED, room[1] / NEEDED):
        axes.set_yticks(range(len(look.predicted)), [escaped(symbol) for symbol in look.predicted])


def draw_gate(axes: Axes, look: Look) -> None:
    """A heatmap of a gate, a line a unit."""
    axes.set_visible(True)
    axes.imshow(look.gate, aspect="auto", cmap="Greys", vmin=0, vmax=1, interpolation="nearest")
    axes.set_title(shortened(look.gate_title, 60), fontsize=9)
    axes.set_ylabel("unit", fontsize=8)
    axes.tick_params(labelsize=6, length=2)


def escaped(symbol: str) -> str:
    """A symbol beside an axis."""
    return shortened(visible(symbol), 8)
