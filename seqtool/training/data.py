"""Batches by number: what Lightning iterates over."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pytorch_lightning as pl
import torch

from seqtool.parts.batch import Batch
from seqtool.parts.task import Split, Task


class Carrier:
    """A batch for Lightning, which takes dataclasses apart and refuses frozen ones; this it passes on unchanged.

    Attributes:
        batch: on the training device.
        here: the same on the CPU, where metrics compare with it; None in training.
    """

    def __init__(self, batch: Batch, here: Batch | None = None) -> None:
        self.batch = batch
        self.here = here

    def to(self, device: torch.device, **keys: object) -> "Carrier":
        """The batch on that device, where it mostly is already."""
        return self if self.batch.target.device == device else Carrier(self.batch.to(device), self.here)


@dataclass
class Batches:
    """The batches `numbers` of a split, drawn when asked for."""

    task: Task
    split: Split
    numbers: Iterable[int]
    seed: int
    rank: int
    batch_size: int
    device: torch.device

    def __iter__(self) -> Iterator[Carrier]:
        keys = {"seed": self.seed, "rank": self.rank, "batch_size": self.batch_size}
        for k in self.numbers:
            if self.split == "train":
                yield Carrier(self.task.batch(self.split, k, **keys, device=self.device))
            else:
                here = self.task.batch(self.split, k, **keys, device=torch.device("cpu"))
                yield Carrier(here.to(self.device), here)


class DataModule(pl.LightningDataModule):
    """Training batches from the step that the trainer stands at, one a step; a fixed set of validation batches.

    A task that has fewer validation batches than are asked for gives all it has. Each rank draws training batches of
    its own, and every `world_size`-th validation batch.
    """

    def __init__(
        self, task: Task, *, seed: int, batch_size: int, steps: int, valid_batches: int, valid_batch_size: int
    ) -> None:
        super().__init__()
        self.task = task
        self.seed = seed
        self.batch_size = batch_size
        self.steps = steps
        self.valid_batches = valid_batches
        self.valid_batch_size = valid_batch_size

    def train_dataloader(self) -> Batches:
        """Numbers from the present step on: a resumed run goes on with the batch that was next."""
        trainer = self._trainer()
        device, start = trainer.strategy.root_device, trainer.global_step
        numbers = range(start, self.steps)
        return Batches(self.task, "train", numbers, self.seed, trainer.global_rank, self.batch_size, device)

    def val_dataloader(self) -> Batches:
        """This rank's share of the validation batches."""
        trainer = self._trainer()
        there = self.task.num_batches("valid", self.valid_batch_size)
        count = self.valid_batches if there is None else min(self.valid_batches, there)
        numbers = range(trainer.global_rank, count, trainer.world_size)
        device = trainer.strategy.root_device
        return Batches(self.task, "valid", numbers, self.seed, 0, self.valid_batch_size, device)

    def _trainer(self) -> pl.Trainer:
        assert self.trainer is not None
        return self.trainer
