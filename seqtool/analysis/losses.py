"""The loss curves of a run, as in the first published figures of the alignment task."""

import io

from matplotlib.figure import Figure

from seqtool.files import write_atomic
from seqtool.rundir import RunDirectory

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe & Ito's colours, which colour-blind readers tell apart."""


def draw_losses(directory: RunDirectory) -> None:
    """Write losses.png: training loss against steps, a curve a variant, its seeds as thin lines behind their mean."""
    variants = directory.read_result()["variants"]
    figure = Figure(figsize=(7, 4.2), dpi=150, layout="constrained")
    axes, unit = figure.subplots(), ""
    for i, (name, variant) in enumerate(variants.items()):
        colour, curves = COLOURS[i % len(COLOURS)], []
        for seed in variant["seeds"]:
            rows = directory.seed(name, int(seed)).read_metrics()
            curves.append({int(row["step"]): float(row["train_loss"]) for row in rows})
            if any("train_token_accuracy" in row for row in rows):  # targets are symbols, not values
                unit = " (nats per symbol)"
        if len(curves) > 1:
            for curve in curves:
                axes.plot(list(curve), list(curve.values()), color=colour, alpha=0.25, linewidth=0.8)
        shared = sorted(set.intersection(*(set(curve) for curve in curves)))
        mean = [sum(curve[step] for curve in curves) / len(curves) for step in shared]
        label = f"{name} ({variant['parameters']:,} parameters)"
        axes.plot(shared, mean, color=colour, linewidth=1.6, label=label)
    axes.set_xlabel("step")
    axes.set_ylabel(f"training loss{unit}")
    axes.set_title(directory.read_plan()["recipe"])
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    write_atomic(directory.losses, picture.getvalue())
