"""Tasks over a finite set of examples, held as flat arrays of ids."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from seqtool.parts.batch import Batch
from seqtool.parts.task import Split, Task
from seqtool.randomness import derive


@dataclass(frozen=True)
class Ragged:
    """Rows of unequal lengths in one tensor: row i is `values[starts[i] : starts[i + 1]]`.

    `values`: int32, `starts`: int64, one more than there are rows; both on the CPU. Two million rows of ten ids are
    96 MB, a fiftieth of what lists take.
    """

    values: Tensor
    starts: Tensor

    @classmethod
    def of(cls, rows: Iterable[Sequence[int]]) -> "Ragged":
        """Rows, one after the other."""
        rows = list(rows)
        starts = torch.tensor([0, *(len(row) for row in rows)], dtype=torch.int64, device="cpu").cumsum(0)
        flat = [i for row in rows for i in row]
        return cls(torch.tensor(flat, dtype=torch.int32, device="cpu"), starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def lengths(self, rows: Tensor) -> Tensor:
        """The lengths of those rows."""
        return self.starts[rows + 1] - self.starts[rows]

    def longest(self) -> int:
        """The length of the longest row, 0 where there is none."""
        return int(self.starts.diff().max()) if len(self) else 0

    def chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Some rows at a time: their ids one after the other, and the length of each."""
        yield self.values[self.starts[0] : self.starts[-1]], self.starts.diff()

    def padded(self, rows: Tensor, padding: int = 0) -> tuple[Tensor, Tensor]:
        """Those rows, `[B, L]` int64 with `padding` behind each, and which positions are real."""
        length = self.lengths(rows)
        position = torch.arange(int(length.max()) if len(rows) else 0, device="cpu")
        real = position < length[:, None]
        found = torch.full(real.shape, padding, dtype=torch.int64, device="cpu")
        found[real] = self.values[(self.starts[rows][:, None] + position)[real]].long()
        return found, real


@dataclass(frozen=True)
class Examples:
    """The examples of one split: ids of sources and of targets, the end symbol left out.

    `alignment`: for each target symbol the source index that it comes from, -1 for none; None where nobody knows.
    """

    source: Ragged
    target: Ragged
    alignment: Ragged | None = None

    def __len__(self) -> int:
        return len(self.source)

    def digest(self) -> str:
        """What tells them from others, or from the same in another order."""
        found = hashlib.sha256()
        for side in (self.source, self.target, *([self.alignment] if self.alignment else [])):
            numbers, ends = hashlib.sha256(), hashlib.sha256()
            for ids, lengths in side.chunks():
                numbers.update(ids.int().contiguous().numpy().data)
                ends.update(lengths.long().contiguous().numpy().data)
            found.update(numbers.digest() + ends.digest())
        return found.hexdigest()[:16]

    def batch(self, rows: Tensor, end: int | None) -> Batch:
        """The examples `rows [B]`, on the CPU; `end` closes each target where given."""
        source, source_mask = self.source.padded(rows)
        target, real = self.target.padded(rows)
        if self.alignment is None:
            alignment = torch.full_like(target, -1)
        else:
            alignment, _ = self.alignment.padded(rows, -1)
        if end is not None:
            target = torch.nn.functional.pad(target, (0, 1)).scatter(1, real.sum(1, keepdim=True), end)
            alignment = torch.nn.functional.pad(alignment, (0, 1), value=-1)
            real = torch.nn.functional.pad(real, (1, 0), value=True)
        return Batch(source, source_mask, target, real, alignment)


class ExampleTask(Task):
    """A task over examples that are there: a subclass sets `examples` in `prepare`, and the vocabularies.

    A subclass calls `prepare` and `state` of this class in its own: a run keeps what tells its examples from others, so
    that it is neither gone on with nor measured on others, such as another split of the same data.

    Training goes through all examples in an order of its own for each seed, rank and epoch; what is left at the end
    of an epoch shares a batch with the beginning of the next. Validation and test go through theirs in order, once.

    Attributes:
        examples: of each split.
        bucket: training takes so many batches together, and sorts their examples by length before it parts them
            again, so that a batch has little padding; 1 for none of it.
    """

    examples: dict[Split, Examples]
    bucket: int = 1
    _kept: Mapping[str, str] | None = None

    def prepare(self, saved: Mapping[str, Any] | None = None) -> None:
        """See `Task.prepare`."""
        self._kept = None if saved is None else saved.get("examples", {})

    def state(self) -> dict[str, Any]:
        """See `Task.state`; of each split what tells it from others, where that is known."""
        there: dict[Split, Examples] = getattr(self, "examples", {})
        known = {split: some.digest() for split, some in there.items()} if self._kept is None else dict(self._kept)
        return {"examples": known} if known else {}

    def batch(self, split: Split, k: int, *, seed: int, rank: int, batch_size: int, device: torch.device) -> Batch:
        """See `Task.batch`."""
        examples = self.examples[split]
        if split == "train":
            rows = self._training_rows(examples, k, batch_size, seed, rank)
        else:
            rows = torch.arange(k * batch_size, min((k + 1) * batch_size, len(examples)), device="cpu")
        return examples.batch(rows, self.target_vocabulary.end).to(device)

    def num_batches(self, split: Split, batch_size: int) -> int | None:
        """See `Task.num_batches`."""
        return None if split == "train" else -(-len(self.examples[split]) // batch_size)

    def _training_rows(self, examples: Examples, k: int, batch_size: int, seed: int, rank: int) -> Tensor:
        first = k - k % self.bucket
        rows = _shuffled(len(examples), first * batch_size, self.bucket * batch_size, seed, rank)
        if self.bucket == 1:
            return rows
        length = torch.maximum(examples.source.lengths(rows), examples.target.lengths(rows))
        rows = rows[length.argsort(stable=True)]
        order = _permutation(self.bucket, derive(seed, rank, first, "bucket"))
        return rows.view(self.bucket, batch_size)[order[k - first]]


def _shuffled(size: int, start: int, count: int, seed: int, rank: int) -> Tensor:
    """`count` rows from place `start` on of an endless walk, epoch after epoch, each in an order of its own."""
    place = torch.arange(start, start + count, device="cpu")
    epoch, place = place // size, place % size
    parts = [
        _permutation(size, derive(seed, rank, e, "shuffle"))[place[epoch == e]]
        for e in range(start // size, (start + count - 1) // size + 1)
    ]
    return torch.cat(parts)


@lru_cache(maxsize=4)
def _permutation(size: int, seed: int) -> Tensor:
    """A function of its arguments alone; kept, since every batch of an epoch asks for the same one."""
    return torch.randperm(size, generator=torch.Generator("cpu").manual_seed(seed), device="cpu")
