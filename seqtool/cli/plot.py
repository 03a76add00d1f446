"""`seqtool plot`: the figures of a run, for print."""

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
    help="Only this one (repeatable).",
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(["png", "svg", "pdf"]),
    default=("png",),
    show_default=True,
    help="Of the files (repeatable).",
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Default: RUN/figures.")
@click.option("--variant", "variants", multiple=True, metavar="NAME", help="Only this variant (repeatable).")
@click.option("--seed", type=click.IntRange(min=0), help="Whose alignments; default: the first that has any.")
@click.option(
    "--example",
    "examples",
    multiple=True,
    type=click.IntRange(min=0),
    default=(0, 1, 2),
    show_default=True,
    help="Whose alignments, from 0 (repeatable).",
)
@click.option(
    "--every",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="Steps that a point of the training loss is the mean of.",
)
@click.option(
    "--width",
    type=click.FloatRange(min=1, max=50),
    default=6.5,
    show_default=True,
    help="Inches; the height follows.",
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
    """Draw RUN: training losses, where it looks (examples and heads), entropy over training, accuracy by length.

    From its files alone. Colours can be told apart by colour-blind readers; fonts are embedded in SVG and PDF.
    """
    from seqtool.analysis.plots import Wishes, plot

    wishes = Wishes(every, tuple(dict.fromkeys(examples)), seed, width)
    found = plot(run, out, names=names, formats=formats, variants=variants, wishes=wishes)
    for line in (*found.problems, *found.notes):
        click.echo(f"warning: {line}", err=True)
    if as_json:
        emit_json({"figures": [*map(str, found.paths)], "problems": found.problems, "notes": found.notes})
        return
    for path in found.paths:
        click.echo(path)
