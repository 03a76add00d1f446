"""The contract of a task: numbered batches with gold targets."""

from typing import Literal

import torch

from seqtool.parts.batch import Batch
from seqtool.parts.vocabulary import Vocabulary
from seqtool.randomness import derive

Split = Literal["train", "valid"]


class Task:
    """Takes `(*, ...)`.

    Attributes:
        source_vocabulary, target_vocabulary: what the ids of a batch mean.
        ending: "fixed", a target has as many symbols as it has and no end symbol; or "eos".
        max_target_length: the most symbols that a target has, the end symbol included.
        loss: the name of its default loss. metrics: the names of its default metrics.
        copy_map: the target id that each source id is copied as, -1 where there is none; None for a task whose
            sources cannot be copied. `source_vocabulary.copied_as(target_vocabulary)` goes by equal symbols.
    """

    kind = "task"
    source_vocabulary: Vocabulary
    target_vocabulary: Vocabulary
    ending: Literal["fixed", "eos"] = "fixed"
    max_target_length: int
    loss: str = "cross_entropy"
    metrics: tuple[str, ...] = ("token_accuracy", "sequence_accuracy")
    copy_map: tuple[int, ...] | None = None

    def batch(self, split: Split, k: int, *, seed: int, rank: int, batch_size: int, device: torch.device) -> Batch:
        """Batch number `k` (from 0) of a split: a pure function of (split, seed, rank, k), on `device`.

        Training batches are drawn there, so a CPU and a GPU draw different ones; validation batches are drawn on
        the CPU and depend on `k` alone, equal for every seed, rank and device.
        """
        raise NotImplementedError


class SyntheticTask(Task):
    """A task whose batches are drawn, not read: a subclass writes `draw`, vectorised over the batch."""

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        """A batch drawn from `generator`, on its device."""
        raise NotImplementedError

    def batch(self, split: Split, k: int, *, seed: int, rank: int, batch_size: int, device: torch.device) -> Batch:
        """See `Task.batch`."""
        if split == "train":
            generator = torch.Generator(device).manual_seed(derive(seed, rank, k, "train", "task"))
            return self.draw(batch_size, generator)
        generator = torch.Generator("cpu").manual_seed(derive(k, split, "task"))
        return self.draw(batch_size, generator).to(device)
