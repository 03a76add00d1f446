"""Figures of a comparison: training curves, alignments side by side, accuracy over cost."""

from collections.abc import Sequence
from statistics import mean

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seqtool.analysis.alignments import COLUMNS, alignment_of, draw_alignment, has_weights
from seqtool.analysis.compare.comparison_tables import over_seeds
from seqtool.analysis.compare.pooling import ComparedVariant
from seqtool.analysis.figures import colour, draw_curves, shortened, styled
from seqtool.analysis.report.cost import costs
from seqtool.analysis.report.results import results, title

CURVES = ("train_loss", "valid_loss", "valid_token_accuracy", "valid_sequence_accuracy", "valid_attention_entropy")
ACCURACIES = ("sequence_accuracy", "token_accuracy")
MARKERS = "os^DvPX"


def figures(variants: Sequence[ComparedVariant], example: int) -> tuple[dict[str, Figure], list[str]]:
    """The figures by name, and notes about figures that are not drawn."""
    with styled():
        alignments, remarks = _alignments(variants, example)
        drawn = {"curves": _curves(variants), "alignments": alignments, "cost": _cost(variants)}
    remarks += ["cost: no seed has both a time and an accuracy"] * (drawn["cost"] is None)
    remarks += ["curves: no metrics can be read"] * (drawn["curves"] is None)
    return {name: figure for name, figure in drawn.items() if figure is not None}, remarks


def _curves(variants: Sequence[ComparedVariant]) -> Figure | None:
    names = [name for name in CURVES if any(name in seed.rows for variant in variants for seed in variant.seeds)]
    if not names:
        return None
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(4 * columns, 3 * rows + 0.5), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    for name, axes in zip(names, grid.flat, strict=False):
        draw_curves(axes, {v.label: [seed.rows[name] for seed in v.seeds if name in seed.rows] for v in variants})
        axes.set_xlabel("step")
        axes.set_title(title(name))
    handles = {label: line for axes in grid.flat for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=min(4, len(handles)))
    return figure


def _alignments(variants: Sequence[ComparedVariant], example: int) -> tuple[Figure | None, list[str]]:
    """One validation example side by side, and notes about variants that lack it."""
    alignments, remarks, source = [], [], None
    for variant in variants:
        seed = next((seed for seed in variant.seeds if has_weights(seed, example)), None)
        if seed is None:
            remarks.append(f"alignments: {variant.label} has no weights of example {example}")
            continue
        one = seed.examples[example]
        source = source or one.source
        if one.source != source:
            remarks.append(f"alignments: example {example} of {variant.label} differs from the others")
            continue
        alignments.append(alignment_of(f"{variant.label}, seed {seed.seed}", seed, example))
    if not alignments:
        return None, remarks
    columns = min(COLUMNS, len(alignments))
    rows = -(-len(alignments) // columns)
    figure = Figure(figsize=(4.2 * columns, 3 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(alignments) :]:
        axes.set_visible(False)
    for alignment, axes in zip(alignments, grid.flat, strict=False):
        draw_alignment(axes, alignment)
    return figure, remarks


def _cost(variants: Sequence[ComparedVariant]) -> Figure | None:
    """Accuracy over time per step and over parameters, with intervals over seeds."""
    points = []
    for i, variant in enumerate(variants):
        cost = next(row for row in costs(variant.run)[1] if row.variant == variant.name)
        measures = next(row.values for row in results(variant.run)[1] if row.variant == variant.name)
        points.append((i, variant.label, cost, measures))
    measure = next((name for name in ACCURACIES if all(name in measures for *_, measures in points)), None)
    if measure is None:
        return None
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for i, label, cost, measures in points:
        values = list(measures[measure].values())
        low, high = over_seeds(values)
        here = mean(values)
        error = None if low is None or high is None else [[here - low], [high - here]]
        shade, mark = colour(i)[0], MARKERS[i % len(MARKERS)]
        for axes, x in ((left, mean(cost.milliseconds) if cost.milliseconds else None), (right, cost.parameters)):
            if x is not None:
                axes.errorbar(
                    [x], [here], yerr=error, fmt=mark, color=shade, label=shortened(label, 50), capsize=3, alpha=0.8
                )
    _label(left, "milliseconds per step, including validation")
    _label(right, "parameters")
    left.set_ylabel(title(measure))
    handles, labels = right.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(4, max(1, len(handles))))
    return figure


def _label(axes: Axes, text: str) -> None:
    axes.set_xlabel(text)
    axes.set_xlim(left=0)
    axes.grid(alpha=0.3)
