"""The figures of a comparison: curves on one, alignments side by side, cost against accuracy."""

from collections.abc import Sequence
from statistics import mean

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seqtool.analysis.alignments import COLUMNS, draw_look, has_looks, look_at
from seqtool.analysis.compare.comparison_tables import over_seeds
from seqtool.analysis.compare.variants import Arm
from seqtool.analysis.figures import colour, draw_curves, shortened, styled
from seqtool.analysis.report.cost import costs
from seqtool.analysis.report.results import results, title

CURVES = ("train_loss", "valid_loss", "valid_token_accuracy", "valid_sequence_accuracy", "valid_attention_entropy")
ACCURACIES = ("sequence_accuracy", "token_accuracy")
MARKERS = "os^DvPX"


def figures(arms: Sequence[Arm], example: int) -> tuple[dict[str, Figure], list[str]]:
    """The figures by name, and what is not drawn, and why."""
    with styled():
        alignments, remarks = _alignments(arms, example)
        drawn = {"curves": _curves(arms), "alignments": alignments, "cost": _cost(arms)}
    remarks += ["cost: no seed tells its time or its accuracy"] * (drawn["cost"] is None)
    remarks += ["curves: no metrics can be read"] * (drawn["curves"] is None)
    return {name: figure for name, figure in drawn.items() if figure is not None}, remarks


def _curves(arms: Sequence[Arm]) -> Figure | None:
    names = [name for name in CURVES if any(name in seed.rows for arm in arms for seed in arm.seeds)]
    if not names:
        return None
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(4 * columns, 3 * rows + 0.5), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    for name, axes in zip(names, grid.flat, strict=False):
        curves = {arm.label: [seed.rows[name] for seed in arm.seeds if name in seed.rows] for arm in arms}
        draw_curves(axes, curves)
        axes.set_xlabel("step")
        axes.set_title(title(name))
    handles = {label: line for axes in grid.flat for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=min(4, len(handles)))
    return figure


def _alignments(arms: Sequence[Arm], example: int) -> tuple[Figure | None, list[str]]:
    """One validation example, an arm beside the other; those that have it not are told."""
    looks, remarks, source = [], [], None
    for arm in arms:
        seed = next((seed for seed in arm.seeds if has_looks(seed, example)), None)
        if seed is None:
            remarks.append(f"alignments: {arm.label} has no weights of example {example}")
            continue
        one = seed.examples[example]
        source = source or one.source
        if one.source != source:
            remarks.append(f"alignments: {arm.label} has another example {example}")
            continue
        looks.append(look_at(f"{arm.label}, seed {seed.seed}", seed, example))
    if not looks:
        return None, remarks
    columns = min(COLUMNS, len(looks))
    rows = -(-len(looks) // columns)
    figure = Figure(figsize=(4.2 * columns, 3 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(looks) :]:
        axes.set_visible(False)
    for look, axes in zip(looks, grid.flat, strict=False):
        draw_look(axes, look)
    return figure, remarks


def _cost(arms: Sequence[Arm]) -> Figure | None:
    """Accuracy against time a step and against parameters, a point an arm, with the interval over its seeds."""
    points = []
    for i, arm in enumerate(arms):
        cost = next(row for row in costs(arm.run)[1] if row.variant == arm.variant)
        measures = next(row.values for row in results(arm.run)[1] if row.variant == arm.variant)
        points.append((i, arm.label, cost, measures))
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
    _label(left, "milliseconds a step, validation included")
    _label(right, "parameters")
    left.set_ylabel(title(measure))
    handles, labels = right.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(4, max(1, len(handles))))
    return figure


def _label(axes: Axes, text: str) -> None:
    axes.set_xlabel(text)
    axes.set_xlim(left=0)
    axes.grid(alpha=0.3)
