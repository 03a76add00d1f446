"""A job: one seed of one variant, trained in its own folder."""

from dataclasses import dataclass

from seqtool.errors import PartError, SeqtoolError
from seqtool.parts.task import Task
from seqtool.recipe import Variant
from seqtool.runs import SeedDirectory
from seqtool.training.devices import is_rank_zero
from seqtool.training.fit import fit_seed
from seqtool.training.stopping import StopSignal


@dataclass(frozen=True)
class Job:
    """One seed of one variant.

    A job that is finished is not run again, and one that was stopped resumes from its last checkpoint, so running a
    job twice is harmless.

    Attributes:
        task: the variant's task, prepared.
        directory: the folder of the seed; None on ranks other than 0 of a new run, which write nothing.
        device: "cpu", "cuda", "cuda:1", "mps"; None for the recipe's.
    """

    variant: Variant
    seed: int
    task: Task
    directory: SeedDirectory | None
    device: str | None

    @property
    def finished(self) -> bool:
        """Whether its result is written."""
        return self.directory is not None and self.directory.finished

    def run(self, stop: StopSignal, *, show_bar: bool = False) -> None:
        """Train it in this process, from its last checkpoint if it has one; on all ranks, of which rank 0 writes.

        Raises:
            Interrupted: `stop` was given; every step that was done is saved.
            SeqtoolError: a part cannot be trained as the recipe says.
        """
        writes, place = is_rank_zero(), self.directory
        try:
            fit_seed(
                self.variant,
                self.seed,
                place if writes else None,
                stop,
                task=self.task,
                resume=place.last if place and place.last.exists() else None,
                device=self.device,
                show_bar=show_bar and writes,
            )
        except PartError as error:
            allowed = f"\n    allowed: {error.allowed}" if error.allowed else ""
            raise SeqtoolError(f"{self.variant.name}, seed {self.seed}: {error}{allowed}") from error
