"""Where the models of a run look: the weights of one example, and what its cells' gates said if the run kept that."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seqtool.analysis.figures import picture, shortened
from seqtool.analysis.report.visible_symbols import visible
from seqtool.runs import RunDirectory, SeedDirectory
from seqtool.runs.contents import Seed
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


def draw_weights(directory: RunDirectory) -> None:
    """Write weights.png: for each variant with attention, what its first seed looks at in the first validation example.

    Target symbols downwards, source symbols to the right, a ring where the gold symbol stands. Where a run kept its
    gates, the input gate of the first cell that has one stands above, a line a unit. A run without attention gets no
    figure.
    """
    variants = directory.read_result()["variants"]
    found = [(name, directory.seed(name, int(next(iter(variant["seeds"]))))) for name, variant in variants.items()]
    looks = [look for name, place in found if (look := read_look(name, place))]
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
    figure.suptitle(shortened(directory.read_plan()["recipe"], 30 * columns))
    write_atomic(directory.weights, picture(figure))


def read_look(variant: str, place: SeedDirectory, number: int = 0) -> Look | None:
    """One of a seed's examples, from 0, None without attention."""
    with np.load(place.alignments) as arrays:
        if "weights" not in arrays:
            return None
        gold, real = arrays["gold"][number], arrays["memory_mask"][number]
        weights = arrays["weights"][number].mean(0)[:, real]
    example = place.read_predictions()[number]
    gate, gate_title = None, ""
    if place.gates.exists():
        with np.load(place.gates) as gates:
            # a cell that reads the source backwards would need its steps reversed; the first cell reads forwards
            # "encoder.cells.0/input", or "encoder.cells.0/layer1.input" of a stack
            name = next((n for n in gates.files if re.split(r"[/.]", n)[-1] in ("input", "update")), None)
            if name:
                gate, gate_title = gates[name][number].T, f"{variant}: {name.replace('/', ', ')} gate"
    source, predicted = ([labelled(symbol) for symbol in example[side]] for side in ("source", "predicted"))
    if weights.shape[1] != len(source):  # a memory shorter than the source: its places are no symbols
        source, gold = [""] * weights.shape[1], np.full_like(gold, -1)
    return Look(variant, source, predicted, weights[: len(predicted)], gold, gate, gate_title)


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


def labelled(symbol: str | list[float]) -> str:
    """A symbol, or the numbers of a position of values."""
    return symbol if isinstance(symbol, str) else ",".join(f"{value:.2g}" for value in symbol)


def escaped(symbol: str) -> str:
    """A symbol beside an axis."""
    return shortened(visible(symbol), 8)
