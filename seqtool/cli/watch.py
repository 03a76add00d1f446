"""`seqtool watch`: the progress of a run."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seqtool.cli.output import can_print, emit_json, emit_note, emit_table
from seqtool.cli.verb_options import table_options, verb

if TYPE_CHECKING:
    from seqtool.analysis.watch import RunProgress

EXAMPLE = """\
seqtool watch runs/align_60_20/20261121-101500-ab12
seqtool watch my_run --once"""

CLEAR_SCREEN = "\x1b[H\x1b[J"


@verb("watch", example=EXAMPLE)
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--every", type=click.FloatRange(min=0.1), default=2.0, show_default=True, help="Seconds between updates."
)
@click.option("--once", is_flag=True, help="Print once and exit.")
@table_options
def command(run: Path, every: float, once: bool, as_json: bool) -> None:
    """Show the progress of RUN: each seed's step, loss, last validation, speed and remaining time.

    Only the files of the run are read. The command ends when every seed is finished or stopped, or on Ctrl-C. A seed is
    `training`, `stalled` (a process holds the run but writes nothing), `stopped` (killed or interrupted; resume with
    `seqtool run --resume`), `silent` (stalled or stopped, where the system does not report which), `waiting` or
    `finished`.
    """
    from seqtool.analysis.watch import read_progress

    while True:
        progress = read_progress(run)
        if as_json:
            emit_json(progress.plain())
            return
        if sys.stdout.isatty() and not once:
            click.echo(CLEAR_SCREEN.encode(), nl=False)
        _show(run, progress)
        if once or progress.ended:
            return
        sys.stdout.flush()
        try:
            time.sleep(every)
        except KeyboardInterrupt:
            return
        if not sys.stdout.isatty():
            click.echo()


def _show(run: Path, progress: "RunProgress") -> None:
    from seqtool.analysis.progress_table import BARS, HEADING, PLAIN_BARS, table

    emit_table(HEADING, table(progress, BARS if can_print(BARS) else PLAIN_BARS))
    for problem in progress.problems:
        emit_note(f"cannot read: {problem}")
    if any(seed.state == "stopped" for seed in progress.seeds):
        emit_note(f"\nresume with: seqtool run --resume {run}")
