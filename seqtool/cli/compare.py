"""`seqtool compare`: differences between variants and runs."""

from pathlib import Path
from typing import Any

import click

from seqtool.cli.output import emit_json, emit_note, emit_table
from seqtool.cli.verb_options import table_options, verb
from seqtool.statistics.number_text import number_text

EXAMPLE = """\
seqtool compare runs/align_60_20/20261121-101500-ab12
seqtool compare old_run new_run --variant attentive --out comparison"""


@verb("compare", example=EXAMPLE)
@click.argument("runs", nargs=-1, required=True, metavar="RUN [RUN]...", type=click.Path(path_type=Path))
@click.option("--variant", "variants", multiple=True, metavar="NAME", help="Only variants of this name (repeatable).")
@click.option(
    "--baseline", metavar="NAME", help="Variant that the others are compared with; default: the first of the first RUN."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write compare.html, compare.json and the figures to this folder.",
)
@click.option(
    "--figure-format",
    "formats",
    multiple=True,
    type=click.Choice(["png", "svg", "pdf"]),
    default=("png", "svg"),
    show_default=True,
    help="Format of the figure files (repeatable).",
)
@click.option(
    "--example",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Validation example whose alignments are drawn, from 0.",
)
@table_options
def command(
    runs: tuple[Path, ...],
    variants: tuple[str, ...],
    baseline: str | None,
    out: Path | None,
    formats: tuple[Any, ...],
    example: int,
    as_json: bool,
) -> None:
    """Compare the variants of one RUN, or of several: recipes, metrics, predictions, curves, alignments, cost.

    Results are means over the seeds of a variant, with intervals. Runs of equal recipes are pooled: their seeds count
    as seeds of one variant. Only the files of the runs are read; a file that cannot be read is reported.
    """
    from seqtool.analysis.compare import compare

    found = compare(runs, variants=variants, baseline=baseline, out=out, formats=formats, example=example)
    for line in (*found["problems"], *found["notes"]):
        click.echo(f"warning: {line}", err=True)
    if as_json:
        emit_json(found)
        return
    labels = [variant["label"] for variant in found["variants"]]
    if found["recipe"]:
        emit_table(
            ("recipe", *labels),
            [(path, *(row.get(label, "-") for label in labels)) for path, row in found["recipe"].items()],
        )
        click.echo()
    emit_table(
        ("metric, mean over seeds", *labels),
        [(measure, *(_interval(row.get(label)) for label in labels)) for measure, row in found["metrics"].items()],
    )
    if found["pairs"]:  # none if all runs are seeds of one variant
        click.echo()
        emit_table(
            (f"difference to {labels[0]}, same examples", "exact match", "token accuracy", "bootstrap over"),
            map(_pair, found["pairs"]),
        )
    if out:
        emit_note(f"\n{out / 'compare.html'}")


def _interval(entry: Any) -> str:
    if entry is None:
        return "-"
    ends = "" if entry["low"] is None else f" [{number_text(entry['low'])}, {number_text(entry['high'])}]"
    return f"{number_text(entry['mean'])}{ends}"


def _pair(pair: dict[str, Any]) -> list[str]:
    if "unpaired" in pair:
        return [pair["label"], "-", "-", f"not paired: {pair['unpaired']}"]
    cells = [f"{one['value']:+.4f} [{one['low']:+.4f}, {one['high']:+.4f}]" for one in pair["differences"].values()]
    return [pair["label"], *cells, f"{pair['examples']} {pair['over']}"]
