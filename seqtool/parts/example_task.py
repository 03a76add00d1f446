"""Tasks over a finite set of examples, which are stored as flat arrays of ids."""

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

MIN_BUCKETS = 16
"""The least number of buckets in an epoch: with fewer, the batches of small data sets contain a single length."""


@dataclass(frozen=True)
class Ragged:
    """A ragged tensor: row i is `values[starts[i] : starts[i + 1]]`.

    `values`: int32; `starts`: int64, one entry more than there are rows; both on the CPU. Two million rows of ten ids
    take 96 MB, a fiftieth of the memory of lists.
    """

    values: Tensor
    starts: Tensor

    @classmethod
    def of(cls, rows: Iterable[Sequence[int]]) -> "Ragged":
        """The ragged tensor of these rows."""
        rows = list(rows)
        starts = torch.tensor([0, *(len(row) for row in rows)], dtype=torch.int64, device="cpu").cumsum(0)
        flat = [i for row in rows for i in row]
        return cls(torch.tensor(flat, dtype=torch.int32, device="cpu"), starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def lengths(self, rows: Tensor) -> Tensor:
        """The lengths of the rows with these indices."""
        return self.starts[rows + 1] - self.starts[rows]

    def longest(self) -> int:
        """The length of the longest row, 0 if there are no rows."""
        return int(self.starts.diff().max()) if len(self) else 0

    def chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Consecutive rows in chunks: the concatenated ids of a chunk, and the length of each row."""
        yield self.values[self.starts[0] : self.starts[-1]], self.starts.diff()

    def padded(self, rows: Tensor, padding: int = 0) -> tuple[Tensor, Tensor]:
        """The rows with these indices as `(ids [B, L] int64, mask [B, L])`, padded on the right with `padding`."""
        length = self.lengths(rows)
        position = torch.arange(int(length.max()) if len(rows) else 0, device="cpu")
        real = position < length[:, None]
        ids = torch.full(real.shape, padding, dtype=torch.int64, device="cpu")
        ids[real] = self.values[(self.starts[rows][:, None] + position)[real]].long()
        return ids, real


@dataclass(frozen=True)
class Examples:
    """The examples of one split: ids of sources and targets, without the end symbol.

    `alignment`: the gold source index of each target symbol, -1 for none; None without gold alignments.
    """

    source: Ragged
    target: Ragged
    alignment: Ragged | None = None

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, i: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The ids of the source and of the target of example `i`; a negative `i` counts from the end.

        Raises:
            IndexError: there is no such example.
        """
        if not -len(self) <= i < len(self):
            raise IndexError(f"there are {len(self)} examples; got the index {i}")
        row = torch.tensor([i % len(self)], device="cpu")
        source, target = (tuple(side.padded(row)[0][0].tolist()) for side in (self.source, self.target))
        return source, target

    def digest(self) -> str:
        """A digest of the examples in their order."""
        digest = hashlib.sha256()
        for side in (self.source, self.target, *([self.alignment] if self.alignment else [])):
            numbers, ends = hashlib.sha256(), hashlib.sha256()
            for ids, lengths in side.chunks():
                numbers.update(ids.int().contiguous().numpy().data)
                ends.update(lengths.long().contiguous().numpy().data)
            digest.update(numbers.digest() + ends.digest())
        return digest.hexdigest()[:16]

    def batch(self, rows: Tensor, end: int | None) -> Batch:
        """The examples with the indices `rows [B]`, on the CPU; `end`, if given, is appended to each target."""
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
    """A task over a finite set of examples. A subclass sets `examples` and the vocabularies in `prepare`.

    The `prepare` and `state` of a subclass call those of this class: a run saves a digest of its examples, and is
    neither resumed nor evaluated with other examples, such as another split of the same data.

    Training visits all examples in a different order for each seed, rank and epoch. A batch may contain the last
    examples of one epoch and the first of the next. Validation and test visit their examples once, in order.

    Attributes:
        examples: the examples of each split.
        bucket: how many training batches are sorted by length together, to reduce padding; 1 does not sort. They belong
            to one epoch and are at most a sixteenth of it, so that batches of small data sets stay random.
    """

    examples: dict[Split, Examples]
    bucket: int = 1
    _saved: Mapping[str, str] | None = None

    def prepare(self, saved: Mapping[str, Any] | None = None) -> None:
        """See `Task.prepare`."""
        self._saved = None if saved is None else saved.get("examples", {})

    def state(self) -> dict[str, Any]:
        """See `Task.state`: the digest of each split."""
        examples: dict[Split, Examples] = getattr(self, "examples", {})
        saved = self._saved
        digests = {split: some.digest() for split, some in examples.items()} if saved is None else dict(saved)
        return {"examples": digests} if digests else {}

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
        first, count = _sorted_together(k, self.bucket, len(examples), batch_size)
        rows = _shuffled(len(examples), first * batch_size, count * batch_size, seed, rank)
        if count == 1:
            return rows
        length = torch.maximum(examples.source.lengths(rows), examples.target.lengths(rows))
        rows = rows[length.argsort(stable=True)]
        order = _permutation(count, derive(seed, rank, first, "bucket"))
        return rows.view(count, batch_size)[order[k - first]]


def _sorted_together(k: int, bucket: int, size: int, batch_size: int) -> tuple[int, int]:
    """The first batch and the number of batches that are sorted by length together with batch `k`.

    They are within one epoch of `size` examples. A batch that contains examples of two epochs is not sorted.
    """
    epoch = k * batch_size // size
    first_in_epoch, end = -(-epoch * size // batch_size), (epoch + 1) * size // batch_size
    count = min(bucket, size // (batch_size * MIN_BUCKETS))
    if count < 2 or k >= end:
        return k, 1
    first = k - (k - first_in_epoch) % count
    return first, min(count, end - first)


def _shuffled(size: int, start: int, count: int, seed: int, rank: int) -> Tensor:
    """Indices `start` to `start + count` of an endless sequence: the examples of all epochs, each epoch shuffled."""
    position = torch.arange(start, start + count, device="cpu")
    epoch, position = position // size, position % size
    parts = [
        _permutation(size, derive(seed, rank, e, "shuffle"))[position[epoch == e]]
        for e in range(start // size, (start + count - 1) // size + 1)
    ]
    return torch.cat(parts)


@lru_cache(maxsize=4)
def _permutation(size: int, seed: int) -> Tensor:
    """A random permutation of `size` elements. Cached, because all batches of an epoch use the same one."""
    return torch.randperm(size, generator=torch.Generator("cpu").manual_seed(seed), device="cpu")
