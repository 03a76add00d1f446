"""report.html: the report of a run in one file that needs no network. Imports no torch.

`seqtool.runs.read` reads a run directory, whole or damaged; `results`, `curves`, `examples`, `cost`,
`recipe_differences`, `intervention_effects` and `packing` prepare the data; `page` renders the page.
"""

from dataclasses import dataclass
from pathlib import Path

from seqtool.errors import SeqtoolError
from seqtool.runs import RunDirectory
from seqtool.runs.contents import Run
from seqtool.runs.files import write_atomic
from seqtool.runs.read import read_run


@dataclass(frozen=True)
class Report:
    """The path of a report, the files of the run that cannot be read, and what is missing."""

    path: Path
    problems: list[str]
    notes: list[str]


def write_report(run: Path, out: Path | None = None) -> Report:
    """Write the report of a run from its files.

    Args:
        run: the run directory; of a damaged run, or one in training, the report shows what can be read.
        out: output file; default: report.html in the run directory.

    Raises:
        SeqtoolError: the folder is not a run, or the file cannot be written.
    """
    if not run.is_dir():
        raise SeqtoolError(f"{run} is not a run: there is no such folder")
    found = read_run(run)
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
