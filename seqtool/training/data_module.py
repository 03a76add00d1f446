"""Training and validation batches for Lightning, drawn by batch number."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pytorch_lightning as pl
import torch

from seqtool.parts.batch import Batch
from seqtool.parts.task import Split, Task


class LoadedBatch:
    """Wraps a batch for Lightning, which unpacks plain dataclasses and refuses frozen ones.

    Attributes:
        batch: the batch on the training device.
        cpu_batch: the same batch on the CPU, for metrics; None in training.
        counted: False for a validation batch that is another rank's, see `DataModule`.
    """

    def __init__(self, batch: Batch, cpu_batch: Batch | None = None, *, counted: bool = True) -> None:
        self.batch = batch
        self.cpu_batch = cpu_batch
        self.counted = counted

    def to(self, device: torch.device, **keys: object) -> "LoadedBatch":
        """Move the batch to `device`."""
        if self.batch.target.device == device:
            return self
        return LoadedBatch(self.batch.to(device), self.cpu_batch, counted=self.counted)


@dataclass
class Batches:
    """Iterates over the batches `numbers` of a split; each is drawn when it is needed.

    `count`: the number of batches of the split; a number from `count` on gives the last one, not counted.
    """

    task: Task
    split: Split
    numbers: Iterable[int]
    seed: int
    rank: int
    batch_size: int
    device: torch.device
    count: int | None = None

    def __iter__(self) -> Iterator[LoadedBatch]:
        keys = {"seed": self.seed, "rank": self.rank, "batch_size": self.batch_size}
        for k in self.numbers:
            if self.split == "train":
                yield LoadedBatch(self.task.batch(self.split, k, **keys, device=self.device))
            else:
                assert self.count is not None, "validation has a number of batches"
                own = min(k, self.count - 1)
                cpu_batch = self.task.batch(self.split, own, **keys, device=torch.device("cpu"))
                yield LoadedBatch(cpu_batch.to(self.device), cpu_batch, counted=own == k)


class DataModule(pl.LightningDataModule):
    """One training batch for each step, and a fixed set of validation batches.

    Each rank draws its own training batches and every `world_size`-th validation batch. If the task has fewer than
    `valid_batches` validation batches, all of them are used. All ranks validate equally many batches, because DDP and
    FSDP communicate in the forward pass; a rank without a batch of its own repeats the last one, which is not counted.
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
        """Batches from the trainer's current step on, so that a resumed run continues with the next batch."""
        trainer = self._trainer()
        device, start = trainer.strategy.root_device, trainer.global_step
        numbers = range(start, self.steps)
        return Batches(self.task, "train", numbers, self.seed, trainer.global_rank, self.batch_size, device)

    def val_dataloader(self) -> Batches:
        """The validation batches of this rank, equally many on each."""
        trainer = self._trainer()
        available = self.task.num_batches("valid", self.valid_batch_size)
        count = self.valid_batches if available is None else min(self.valid_batches, available)
        rounds = -(-count // trainer.world_size)
        numbers = range(trainer.global_rank, rounds * trainer.world_size, trainer.world_size)
        device = trainer.strategy.root_device
        return Batches(self.task, "valid", numbers, self.seed, 0, self.valid_batch_size, device, count)

    def _trainer(self) -> pl.Trainer:
        assert self.trainer is not None
        return self.trainer
