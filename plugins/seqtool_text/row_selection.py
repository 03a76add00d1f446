"""A selection of rows with mapped ids, without a copy."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from seqtool.api import Ragged

CHUNK_SIZE = 1 << 16
"""Rows per chunk."""


@dataclass(frozen=True)
class RowSelection(Ragged):
    """Row i is row `indices[i]` of `values` and `starts`, with each id mapped by `table`.

    Rows are read when a batch needs them, so that they may be in a memory-mapped file.
    """

    indices: Tensor
    table: Tensor

    def __len__(self) -> int:
        return len(self.indices)

    def lengths(self, rows: Tensor) -> Tensor:
        """See `Ragged.lengths`."""
        indices = self.indices[rows]
        return self.starts[indices + 1] - self.starts[indices]

    def longest(self) -> int:
        """See `Ragged.longest`."""
        return max((int(length.max()) for _, length in self.chunks()), default=0)

    def padded(self, rows: Tensor, padding: int = 0) -> tuple[Tensor, Tensor]:
        """See `Ragged.padded`."""
        values, real = Ragged(self.values, self.starts).padded(self.indices[rows])
        return self.table[values].long().masked_fill(~real, padding), real

    def chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """See `Ragged.chunks`."""
        for indices in self.indices.split(CHUNK_SIZE) if len(self) else ():
            length = self.starts[indices + 1] - self.starts[indices]
            starts = torch.nn.functional.pad(length.cumsum(0), (1, 0))
            shift = (self.starts[indices] - starts[:-1]).repeat_interleave(length)
            yield self.table[self.values[shift.add_(torch.arange(len(shift), device="cpu"))]], length

    def known(self) -> Tensor:
        """`[N]`, False for rows with an id below 0."""
        known = [torch.ones(0, dtype=torch.bool, device="cpu")]
        for ids, length in self.chunks():
            ends = length.cumsum(0)
            unknown = torch.nn.functional.pad((ids < 0).cumsum(0), (1, 0))
            known.append(unknown[ends] == unknown[ends - length])
        return torch.cat(known)

    def at(self, rows: Tensor) -> "RowSelection":
        """Some of these rows."""
        return RowSelection(self.values, self.starts, self.indices[rows], self.table)
