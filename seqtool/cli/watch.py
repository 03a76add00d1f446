"""`seqtool watch`: what a run in training does now."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seqtool.cli.output import emit_json, emit_table
from seqtool.cli.verb_options import json_option, verb

if TYPE_CHECKING:
    from seqtool.analysis.watch import Look

EXAMPLE = """\
seqtool watch runs/align_60_20/20261121-101500-ab12
seqtool watch my_run --once"""

TO_TOP = "\x1b[H\x1b[J"
"""Only where a terminal reads it."""


@verb("watch", example=EXAMPLE)
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--every", type=click.FloatRange(min=0.1), default=2.0, show_default=True, help="Seconds between two looks."
)
@click.option("--once", is_flag=True, help="Look once, and end.")
@json_option
def command(run: Path, every: float, once: bool, as_json: bool) -> None:
    """Show what RUN does now: how far each seed is, its loss, its last validation, its pace, the time left.

    From its files alone, until all is finished or stopped, or Ctrl-C. A seed is `training`, `stalled` (a process holds
    the run, and has long written nothing), `stopped` (killed or interrupted: go on by --resume), `waiting` or
    `finished`.
    """
    from seqtool.analysis.watch import look

    while True:
        found = look(run)
        if as_json:
            emit_json(found.plain())
            return
        if sys.stdout.isatty() and not once:
            click.echo(TO_TOP, nl=False)
        _show(run, found)
        if once or found.over:
            return
        sys.stdout.flush()
        try:
            time.sleep(every)
        except KeyboardInterrupt:
            return
        if not sys.stdout.isatty():
            click.echo()


def _show(run: Path, found: "Look") -> None:
    from seqtool.analysis.watch import BARS, HEADING, PLAIN_BARS, table

    emit_table(HEADING, table(found, BARS if _has_bars() else PLAIN_BARS))
    for problem in found.problems:
        click.echo(f"cannot read: {problem}")
    if any(seed.state == "stopped" for seed in found.seeds):
        click.echo(f"\ngo on with: seqtool run --resume {run}")


def _has_bars() -> bool:
    from seqtool.analysis.watch import BARS

    try:
        BARS.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
