"""The contract of a launcher: it runs jobs somewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from seqtool.errors import SeqtoolError
from seqtool.launch.job import Job
from seqtool.training.stopping import StopSignal

SHOWN_LINES = 4
SHOWN_JOBS = 10


class Launcher(Protocol):
    """Runs jobs. What a job computes does not depend on the launcher."""

    def run(self, jobs: Sequence[Job], stop: StopSignal, *, show_bar: bool = False) -> None:
        """Run all jobs that are not finished, and return when all are.

        Args:
            jobs: in the order in which they should start; no two have the same folder, all the same registry.
            stop: set when the user or the system wants the process to end.
            show_bar: whether progress is shown on stderr.

        Raises:
            Interrupted: `stop` was given; every step that was done is saved.
            SeqtoolError: a job failed. A launcher that runs several at once finishes the others first, and raises
                `FailedJobsError`.
        """
        ...


@dataclass(frozen=True)
class FailedJob:
    """A job that failed: its name, what the user reads of it, and the file that has all of it."""

    name: str
    error: str
    log: Path


class FailedJobsError(SeqtoolError):
    """Some jobs failed; all others are finished."""

    def __init__(self, failed: Sequence[FailedJob], count: int) -> None:
        """`count` is how many jobs were run."""
        self.failed = list(failed)
        lines = [f"{len(failed)} of {count} jobs failed"]
        for job in failed[:SHOWN_JOBS]:
            first = job.error.strip().splitlines()[:SHOWN_LINES]
            head = first[0] if first[0].startswith(job.name) else f"{job.name}: {first[0]}"
            lines += [f"    {head}", *(f"    {line}" for line in first[1:]), f"        log: {job.log}"]
        if len(failed) > SHOWN_JOBS:
            lines.append(f"    ... and {len(failed) - SHOWN_JOBS} more")
        super().__init__("\n".join(lines))
