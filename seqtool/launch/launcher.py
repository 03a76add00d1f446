"""The contract of launchers, which run jobs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from seqtool.errors import SeqtoolError
from seqtool.launch.job import Job
from seqtool.training.stopping import StopSignal

MAX_ERROR_LINES = 4
MAX_FAILED_JOBS = 10


class Launcher(Protocol):
    """Runs jobs. The results of a job do not depend on the launcher."""

    def run(self, jobs: Sequence[Job], stop: StopSignal, *, show_bar: bool = False) -> None:
        """Run all unfinished jobs. Returns when every job is finished.

        Args:
            jobs: in starting order; their folders differ, and they share one registry.
            stop: set when the user or the system requests the process to end.
            show_bar: whether to show progress on stderr.

        Raises:
            Interrupted: `stop` was set; `Interrupted.saved` says whether all completed steps are saved.
            SeqtoolError: a job failed. A launcher that runs jobs in parallel finishes the others first and raises
                `FailedJobsError`.
        """
        ...


@dataclass(frozen=True)
class FailedJob:
    """A failed job: its name, the error message, and the file with the traceback."""

    name: str
    error: str
    log: Path


class FailedJobsError(SeqtoolError):
    """Some jobs failed; all others are finished."""

    def __init__(self, failed: Sequence[FailedJob], count: int) -> None:
        """`count` is the number of jobs that were run."""
        self.failed = list(failed)
        lines = [f"{len(failed)} of {count} jobs failed"]
        for job in failed[:MAX_FAILED_JOBS]:
            first, *rest = job.error.strip().splitlines()[:MAX_ERROR_LINES]
            head = first if first.startswith(job.name) else f"{job.name}: {first}"
            lines += [f"    {head}", *(f"    {line}" for line in rest), f"        log: {job.log}"]
        if len(failed) > MAX_FAILED_JOBS:
            lines.append(f"    ... and {len(failed) - MAX_FAILED_JOBS} more")
        super().__init__("\n".join(lines))
