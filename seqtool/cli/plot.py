"""`seqtool plot`: figures of a run for print."""

from pathlib import Path
from typing import Any

import click

from seqtool.cli.output import emit_json
from seqtool.cli.verb_options import json_option, verb

EXAMPLE = """\
seqtool plot runs/align_60_20/20261121-101500-ab12
seqtool plot my_run --figure losses --format pdf --width 3.3
seqtool plot my_run --figure alignments --example 0 --example 7 --out figures"""


@verb("plot", example=EXAMPLE)
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--figure",
    "names",
    multiple=True,
    type=click.Choice(["losses", "alignments", "entropy", "lengths"]),
    help="Only this figure (repeatable).",
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(["png", "svg", "pdf"]),
    default=("png",),
    show_default=True,
    help="Format of the files (repeatable).",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Output folder; default: RUN/figures.",
)
@click.option("--variant", "variants", multiple=True, metavar="NAME", help="Only this variant (repeatable).")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of the alignments; default: the first that has any.")
@click.option(
    "--example",
    "examples",
    multiple=True,
    type=click.IntRange(min=0),
    default=(0, 1, 2),
    show_default=True,
    help="Validation example whose alignments are drawn, from 0 (repeatable).",
)
@click.option(
    "--every",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="Number of steps that each point of the training loss averages.",
)
@click.option(
    "--width",
    type=click.FloatRange(min=1, max=50),
    default=6.5,
    show_default=True,
    help="Width in inches; the height follows.",
)
@json_option
def command(
    run: Path,
    names: tuple[str, ...],
    formats: tuple[Any, ...],
    out: Path | None,
    variants: tuple[str, ...],
    seed: int | None,
    examples: tuple[int, ...],
    every: int,
    width: float,
    as_json: bool,
) -> None:
    """Draw RUN: training loss, alignments (examples and heads), attention entropy over training, accuracy by length.

    Only the files of the run are read. The colours are safe for colour-blind readers. SVG and PDF embed their fonts.
    """
    from seqtool.analysis.plots import PlotOptions, plot

    options = PlotOptions(every, tuple(dict.fromkeys(examples)), seed, width)
    found = plot(run, out, names=names, formats=formats, variants=variants, options=options)
    for line in (*found.problems, *found.notes):
        click.echo(f"warning: {line}", err=True)
    if as_json:
        emit_json({"figures": [*map(str, found.paths)], "problems": found.problems, "notes": found.notes})
        return
    for path in found.paths:
        click.echo(path)
