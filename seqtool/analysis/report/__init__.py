"""report.html: a run that explains itself, in one file that needs no network. No torch, no model.

`seqtool.runs.read` reads a run directory, whole or damaged; `results`, `curves`, `examples`, `cost`,
`recipe_differences`, `intervention_effects` and `packing` prepare what the page shows; `page` renders it.
"""

from dataclasses import dataclass
from pathlib import Path

from seqtool.errors import SeqtoolError
from seqtool.runs import RunDirectory
from seqtool.runs.contents import Run
from seqtool.runs.files import write_atomic
from seqtool.runs.read import Reader


@dataclass(frozen=True)
class Report:
    """Where a report was written, what of the run could not be read, and what is not there yet."""

    path: Path
    problems: list[str]
    notes: list[str]


def write_report(run: Path, out: Path | None = None) -> Report:
    """Write the report of a run over its variants and seeds, from its files alone.

    Args:
        run: the run directory; one that is damaged, still training or of another seqtool gives what can be read.
        out: the file; default: report.html in the run directory.

    Raises:
        SeqtoolError: nothing of a run is there, or the file cannot be written.
    """
    if not run.is_dir():
        raise SeqtoolError(f"{run} is not a run: there is no such folder")
    found = Reader(run).read()
    if not found.plan and not found.seeds:
        raise SeqtoolError(f"{run} is not a run: it has no run.json, and no seeds in <variant>/seed<k>")
    path = out or RunDirectory(run).report
    write_page(found, path)
    return Report(path, found.problems, found.notes)


def write_page(run: Run, path: Path) -> None:
    """Write the report of a run that has been read.

    Raises:
        SeqtoolError: the file cannot be written.
    """
    from seqtool.analysis.report.page import render

    write_atomic(path, render(run).encode("utf-8", "replace"))
