"""Assemblies and trainers that the check of a recipe built, kept for training in the same process."""

from dataclasses import dataclass

import pytorch_lightning as pl

from seqtool.build.assembly import Assembly


@dataclass(frozen=True)
class Prepared:
    """The assembly and the trainer of one seed of one variant, not yet trained."""

    assembly: Assembly
    trainer: pl.Trainer


class PreparedTrainings:
    """Prepared trainings by variant and seed. Each can be taken once, since training changes it."""

    def __init__(self) -> None:
        self._built: dict[tuple[str, int], Prepared] = {}

    def add(self, prepared: Prepared) -> None:
        """Add a training."""
        options = prepared.assembly.options
        self._built[options.name, options.seed] = prepared

    def take(self, variant: str, seed: int) -> Prepared | None:
        """Remove and return the training of a variant and a seed; None if there is none."""
        return self._built.pop((variant, seed), None)
