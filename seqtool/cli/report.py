"""`seqtool report`: the HTML report of a run."""

from pathlib import Path

import click

from seqtool.cli.output import emit_json
from seqtool.cli.verb_options import json_option, verb

EXAMPLE = """\
seqtool report runs/align_60_20/20261121-101500-ab12
seqtool report my_run --out my_run.html"""


@verb("report", example=EXAMPLE)
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Output file; default: report.html in RUN."
)
@json_option
def command(run: Path, out: Path | None, as_json: bool) -> None:
    """Write the report of RUN as one HTML file: curves, alignments, mistakes, recipe, cost of all variants and seeds.

    The page needs no network. It is made from the files of the run; no model is loaded. `seqtool run` writes it at the
    end of a run. For a damaged run, or one in training, it shows what can be read and lists the rest.
    """
    from seqtool.analysis.report import write_report

    found = write_report(run, out)
    for line in (*found.problems, *found.notes):
        click.echo(f"warning: {line}", err=True)
    if as_json:
        emit_json({"report": str(found.path), "problems": found.problems, "notes": found.notes})
        return
    click.echo(found.path)
