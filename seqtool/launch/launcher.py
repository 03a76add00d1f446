"""The contract of a launcher: it runs jobs somewhere."""

from collections.abc import Sequence
from typing import Protocol

from seqtool.launch.job import Job
from seqtool.training.stopping import StopSignal


class Launcher(Protocol):
    """Runs jobs. What a job computes does not depend on the launcher."""

    def run(self, jobs: Sequence[Job], stop: StopSignal, *, show_bar: bool = False) -> None:
        """Run all jobs that are not finished, and return when all are.

        Args:
            jobs: in the order in which they should start; no two have the same folder.
            stop: set when the user or the system wants the process to end.
            show_bar: whether progress is shown on stderr.

        Raises:
            Interrupted: `stop` was given; every step that was done is saved.
            SeqtoolError: a job failed.
        """
        ...
