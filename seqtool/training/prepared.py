"""What check has built of a training, which the job of the same process goes on to train."""

from dataclasses import dataclass

import pytorch_lightning as pl

from seqtool.build.assembly import Assembly


@dataclass(frozen=True)
class Prepared:
    """One seed of one variant, built and not yet trained."""

    assembly: Assembly
    trainer: pl.Trainer


class PreparedTrainings:
    """Trainings that are built, by variant and seed. Each can be taken once, since it is trained then."""

    def __init__(self) -> None:
        self._built: dict[tuple[str, int], Prepared] = {}

    def add(self, prepared: Prepared) -> None:
        """Keep one until it is taken."""
        options = prepared.assembly.options
        self._built[options.name, options.seed] = prepared

    def take(self, name: str, seed: int) -> Prepared | None:
        """That of a variant and a seed, None where it is not built or was taken before."""
        return self._built.pop((name, seed), None)
