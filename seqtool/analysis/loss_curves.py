"""losses.png: the training loss of all variants of a run."""

from pathlib import Path

from matplotlib.figure import Figure

from seqtool.analysis.figures import draw_curves, render_figure, shortened, styled
from seqtool.runs.contents import Run
from seqtool.runs.files import write_atomic


def draw_losses(run: Run, path: Path) -> None:
    """Write losses.png: for each variant the mean over seeds, with a band from minimum to maximum."""
    curves, unit = {}, ""
    for name, seeds in run.variants.items():
        finished = [seed for seed in seeds if seed.finished]
        if not finished:
            continue
        if any("train_token_accuracy" in seed.rows for seed in finished):  # not for continuous targets
            unit = " (nats per symbol)"
        label = f"{name} ({finished[0].result['parameters']:,} parameters)"
        curves[label] = [seed.rows.get("train_loss", {}) for seed in finished]
    with styled():
        figure = Figure(figsize=(7, 4.2), layout="constrained")
        axes = figure.subplots()
        draw_curves(axes, curves)
        axes.set_xlabel("step")
        axes.set_ylabel(f"training loss{unit}")
        axes.set_title(shortened(run.plan["recipe"], 60))
        axes.set_ylim(bottom=0)
        axes.legend()
    write_atomic(path, render_figure(figure))
