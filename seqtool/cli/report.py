"""`seqtool report`: what a run did, as one page."""

from pathlib import Path

import click

from seqtool.cli.output import emit_json
from seqtool.cli.verb_options import json_option, verb

EXAMPLE = """\
seqtool report runs/align_60_20/20261121-101500-ab12
seqtool report my_run --out my_run.html"""


@verb("report", example=EXAMPLE)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="The page; default: report.html in RUN.")
@json_option
def command(run: Path, out: Path | None, as_json: bool) -> None:
    """Write the report of RUN over its variants and seeds: curves, alignments, mistakes, recipe, cost.

    One file that needs no network, made from the run's files alone. `seqtool run` writes it when it ends; of a run
    that is training or damaged it shows what can be read, and tells what cannot.
    """
    from seqtool.analysis.report import write_report

    found = write_report(run, out)
    for line in (*found.problems, *found.notes):
        click.echo(f"warning: {line}", err=True)
    if as_json:
        emit_json({"report": str(found.path), "problems": found.problems, "notes": found.notes})
        return
    click.echo(found.path)
