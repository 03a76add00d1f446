"""Some rows of a file under the ids of a vocabulary, without a copy of them."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from seqtool.api import Ragged

PIECE = 1 << 16
"""So many rows are looked at together."""


@dataclass(frozen=True)
class Picked(Ragged):
    """Row i is row `places[i]` of `values` and `starts`, each id of it replaced by that of `table`.

    The rows themselves are looked up when a batch asks for them, so they may lie in a file that is mapped into memory.
    """

    places: Tensor
    table: Tensor

    def __len__(self) -> int:
        return len(self.places)

    def lengths(self, rows: Tensor) -> Tensor:
        """See `Ragged.lengths`."""
        places = self.places[rows]
        return self.starts[places + 1] - self.starts[places]

    def longest(self) -> int:
        """See `Ragged.longest`."""
        return max((int(length.max()) for _, length in self.chunks()), default=0)

    def padded(self, rows: Tensor, padding: int = 0) -> tuple[Tensor, Tensor]:
        """See `Ragged.padded`."""
        found, real = Ragged(self.values, self.starts).padded(self.places[rows])
        return self.table[found].long().masked_fill(~real, padding), real

    def chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """See `Ragged.chunks`."""
        for places in self.places.split(PIECE) if len(self) else ():
            length = self.starts[places + 1] - self.starts[places]
            starts = torch.nn.functional.pad(length.cumsum(0), (1, 0))
            shift = (self.starts[places] - starts[:-1]).repeat_interleave(length)
            yield self.table[self.values[shift.add_(torch.arange(len(shift), device="cpu"))]], length

    def known(self) -> Tensor:
        """`[N]`, false for rows that hold an id below 0."""
        found = [torch.ones(0, dtype=torch.bool, device="cpu")]
        for ids, length in self.chunks():
            ends = length.cumsum(0)
            strange = torch.nn.functional.pad((ids < 0).cumsum(0), (1, 0))
            found.append(strange[ends] == strange[ends - length])
        return torch.cat(found)

    def at(self, rows: Tensor) -> "Picked":
        """Some of these rows."""
        return Picked(self.values, self.starts, self.places[rows], self.table)
