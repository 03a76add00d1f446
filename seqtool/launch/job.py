"""A job: the training of one seed of one variant in its own folder."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from seqtool.build.plugin_faults import attributed
from seqtool.errors import PartError, SeqtoolError, refuse_exit
from seqtool.parts.task import Task
from seqtool.recipe import Variant
from seqtool.runs import RunDirectory, SeedDirectory
from seqtool.training.fit import fit_seed
from seqtool.training.lightning_internals import is_rank_zero
from seqtool.training.prepared import PreparedTrainings
from seqtool.training.stopping import StopSignal


@dataclass(frozen=True)
class Job:
    """The training of one seed of one variant.

    Launchers skip a finished job, and a stopped job resumes from its last checkpoint, so running a job twice is
    harmless.

    Attributes:
        task: the variant's task, prepared.
        run_directory: the run that the job belongs to; None on ranks other than 0 of a new run, which write nothing.
        device: "cpu", "cuda", "cuda:1", "mps"; None for the recipe's.
        prepared: trainings that this process has already built; the job takes its own.
    """

    variant: Variant
    seed: int
    task: Task
    run_directory: RunDirectory | None
    device: str | None
    prepared: PreparedTrainings | None = None

    @property
    def name(self) -> str:
        return f"{self.variant.name}, seed {self.seed}"

    @property
    def directory(self) -> SeedDirectory | None:
        """The folder of the seed; None where `run_directory` is None."""
        return self.run_directory.seed(self.variant.name, self.seed) if self.run_directory else None

    @property
    def finished(self) -> bool:
        """Whether the seed's result.json exists."""
        return self.directory is not None and self.directory.finished

    def run(
        self,
        stop: StopSignal,
        *,
        show_bar: bool = False,
        listeners: Sequence[Callable[[dict[str, float]], None]] = (),
    ) -> None:
        """Train in this process, from the last checkpoint if there is one. With several ranks, only rank 0 writes.

        Args:
            stop: set when the user or the system requests the training to end.
            show_bar: whether to show progress on stderr.
            listeners: called with each row of metrics.

        Raises:
            Interrupted: `stop` was set; `Interrupted.saved` says whether all completed steps are saved.
            SeqtoolError: a part cannot be trained as the recipe says or called `sys.exit()`, or another process trains
                the same job.
        """
        directory, checkpoint = self.directory, self.directory and self.directory.last_checkpoint
        writable = directory if is_rank_zero() else None
        try:
            with attributed(self.variant), refuse_exit(self.name), writable.locked() if writable else nullcontext():
                fit_seed(
                    self.variant,
                    self.seed,
                    writable,
                    stop,
                    task=self.task,
                    prepared=self.prepared.take(self.variant.name, self.seed) if self.prepared else None,
                    resume=checkpoint if checkpoint and checkpoint.exists() else None,
                    device=self.device,
                    show_bar=show_bar and is_rank_zero(),
                    listeners=listeners,
                )
        except PartError as error:
            allowed = f"\n    allowed: {error.allowed}" if error.allowed else ""
            raise SeqtoolError(f"{self.name}: {error}{allowed}") from error
