"""The loss curves of a run, as in the first published figures of the alignment task."""

from matplotlib.figure import Figure

from seqtool.analysis.figures import draw_curves, picture, shortened, styled
from seqtool.runs import RunDirectory
from seqtool.runs.files import write_atomic


def draw_losses(directory: RunDirectory) -> None:
    """Write losses.png: training loss against steps, a curve a variant, its seeds as a band behind their mean."""
    curves, unit = {}, ""
    for name, variant in directory.read_result()["variants"].items():
        seeds = [directory.seed(name, int(seed)).read_metrics() for seed in variant["seeds"]]
        label = f"{name} ({variant['parameters']:,} parameters)"
        if any("train_token_accuracy" in row for rows in seeds for row in rows):  # targets are symbols, not values
            unit = " (nats per symbol)"
        curves[label] = [{int(row["step"]): float(row["train_loss"]) for row in rows} for rows in seeds]
    with styled():
        figure = Figure(figsize=(7, 4.2), layout="constrained")
        axes = figure.subplots()
        draw_curves(axes, curves)
        axes.set_xlabel("step")
        axes.set_ylabel(f"training loss{unit}")
        axes.set_title(shortened(directory.read_plan()["recipe"], 60))
        axes.set_ylim(bottom=0)
        axes.legend()
    write_atomic(directory.losses, picture(figure))
