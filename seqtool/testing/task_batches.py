"""The rules of the batches of a task: shapes, masks, ids, endings and alignments."""

from dataclasses import fields
from typing import Any

import torch

from seqtool.parts.batch import Batch
from seqtool.parts.task import Split, Task
from seqtool.parts.vocabulary import Continuous
from seqtool.testing.contract import Contract, rule
from seqtool.testing.differences import Outputs, is_prefix

BATCH = 13
SPLITS: tuple[Split, ...] = ("train", "valid", "test")
CPU = torch.device("cpu")


class TaskBatchRules(Contract):
    """Rules of the first batches of every split."""

    def part(self, dtype: torch.dtype = torch.float64, seed: int = 0) -> Any:
        """See `Contract.part`; the task is prepared."""
        part = super().part(dtype, seed)
        part.prepare()
        return part

    def exercise(self, part: Any) -> Outputs:
        """See `Contract.exercise`."""
        return batch_tensors(draw(part))

    def _all_splits(self, part: Task) -> list[Batch]:
        return [draw(part, split=split, k=k) for split in SPLITS for k in first_numbers(part, split)]

    @rule
    def shapes(self) -> None:
        """Shapes and dtypes are those of `Batch` and the vocabularies; no target is longer than `max_target_length`."""
        part = self.part()
        for size in (BATCH, 1):
            batch = draw(part, batch_size=size)
            source, target = batch.source.shape[:2], batch.target.shape[:2]
            self.expect(source[0] == size == target[0], f"a batch of size {size} has {source[0]} examples")
            for name, found, wanted in (
                ("source_mask", batch.source_mask.shape, source),
                ("target_mask", batch.target_mask.shape, target),
                ("alignment", batch.alignment.shape, target),
            ):
                self.expect(found == wanted, f"{name} has the shape {list(found)}, not {list(wanted)}")
            longest = int(batch.target_mask.sum(1).max())
            self.expect(
                longest <= part.max_target_length,
                f"a target has {longest} symbols, and max_target_length is {part.max_target_length}",
            )
            self.expect(batch.alignment.dtype == torch.int64, f"alignment is {batch.alignment.dtype}, not int64")
            for name, vocabulary in (("source", part.source_vocabulary), ("target", part.target_vocabulary)):
                x, continuous = getattr(batch, name), isinstance(vocabulary, Continuous)
                wanted_type = (torch.float32, (vocabulary.num_outputs,)) if continuous else (torch.int64, ())
                words = f"float32 vectors of size {vocabulary.num_outputs}" if continuous else "int64 ids"
                same = (x.dtype, tuple(x.shape[2:])) == wanted_type
                self.expect(same, f"{name} is {x.dtype} {list(x.shape)}, but its vocabulary requires {words}")

    @rule
    def masks_are_prefixes(self) -> None:
        """Masks are bool, and real positions come first; sources and targets at padding are 0."""
        for batch in self._all_splits(self.part()):
            for side in ("source", "target"):
                x, mask = getattr(batch, side), getattr(batch, f"{side}_mask")
                self.expect(mask.dtype == torch.bool, f"{side}_mask is {mask.dtype}, not bool")
                self.expect(is_prefix(mask), f"{side}_mask has a real position after padding")
                self.expect(not x[~mask].any(), f"{side} is not 0 at padding")

    @rule
    def ids_in_vocabulary(self) -> None:
        """Ids are in their vocabulary, target ids can be predicted and are not the start symbol; values are finite."""
        part = self.part()
        has_start = part.target_vocabulary.start is not None or isinstance(part.target_vocabulary, Continuous)
        self.expect(has_start, "the target vocabulary has no start symbol")
        sides = (
            ("source", len(part.source_vocabulary)),
            ("target", part.target_vocabulary.num_outputs),
        )
        for batch in self._all_splits(part):
            for side, count in sides:
                x, mask = getattr(batch, side), getattr(batch, f"{side}_mask")
                if x.is_floating_point():
                    self.expect(bool(x.isfinite().all()), f"{side} has values that are not finite")
                else:
                    real = x[mask]
                    wrong = real[(real < 0) | (real >= count)].tolist()
                    self.expect(not wrong, f"{side} has the ids {wrong[:3]}, and ids are 0 to {count - 1}")

    @rule
    def valid_copy_map(self) -> None:
        """A `copy_map` has one entry per source id: a target id that can be predicted, or -1."""
        part = self.part()
        if part.copy_map is None:
            return
        for side in (part.source_vocabulary, part.target_vocabulary):
            self.expect(not isinstance(side, Continuous), "it has a copy_map and a continuous side")
        count, targets = len(part.source_vocabulary), part.target_vocabulary.num_outputs
        self.expect(len(part.copy_map) == count, f"copy_map has {len(part.copy_map)} entries for {count} source ids")
        wrong = [i for i in part.copy_map if not -1 <= i < targets]
        self.expect(
            not wrong, f"copy_map has the ids {wrong[:3]}, and ids that can be predicted are 0 to {targets - 1}"
        )

    @rule
    def ends_as_declared(self) -> None:
        """With the ending "eos" a target has one end symbol, at its end; with "fixed" it has none."""
        part = self.part()
        end = part.target_vocabulary.end
        if part.ending == "fixed":
            self.expect(end is None, "its ending is 'fixed', but its target vocabulary has an end symbol")
            return
        self.expect(end is not None, "its ending is 'eos', but its target vocabulary has no end symbol")
        for batch in self._all_splits(part):
            ends = (batch.target == end) & batch.target_mask
            last = batch.target_mask & ~torch.nn.functional.pad(batch.target_mask[:, 1:], (0, 1))
            wrong = (ends != last).any(1).nonzero().flatten().tolist()
            self.expect(not wrong, f"targets {wrong[:3]} do not have one end symbol, at the end")

    @rule
    def valid_alignment(self) -> None:
        """The gold alignment is a real source position or -1, -1 at padding, and present if `has_alignment` says so."""
        part = self.part()
        batches = self._all_splits(part)
        found = any(bool((batch.alignment >= 0).any()) for batch in batches)
        self.expect(
            found == part.has_alignment,
            f"has_alignment is {part.has_alignment}, and its batches have {'a' if found else 'no'} gold alignment",
        )
        for batch in batches:
            alignment, real = batch.alignment, batch.target_mask
            self.expect(bool((alignment[~real] == -1).all()), "the alignment is not -1 at padding of the target")
            self.expect(bool((alignment >= -1).all()), "the alignment has numbers below -1")
            length = batch.source_mask.sum(1, keepdim=True)
            wrong = (alignment >= length).any(1).nonzero().flatten().tolist()
            self.expect(not wrong, f"the alignment of examples {wrong[:3]} is beyond the real source positions")


def draw(
    task: Task, split: Split = "train", k: int = 0, seed: int = 0, rank: int = 0, batch_size: int = BATCH
) -> Batch:
    return task.batch(split, k, seed=seed, rank=rank, batch_size=batch_size, device=CPU)


def first_numbers(task: Task, split: Split) -> range:
    """The numbers of the first batches of a split."""
    count = task.num_batches(split, BATCH)
    return range(3 if count is None else min(3, count))


def batch_tensors(batch: Batch) -> Outputs:
    """The fields of a batch by name."""
    return {field.name: getattr(batch, field.name) for field in fields(Batch)}
