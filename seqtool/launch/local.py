"""The local launcher: jobs run one after the other in this process."""

from collections.abc import Sequence

from seqtool.launch.job import Job
from seqtool.training.stopping import StopSignal


class LocalLauncher:
    """Runs jobs one after the other in this process."""

    def run(self, jobs: Sequence[Job], stop: StopSignal, *, show_bar: bool = False) -> None:
        """See `Launcher.run`. The first failure ends the run."""
        for job in jobs:
            if not job.finished:
                job.run(stop, show_bar=show_bar)
