"""The base of adding and multiplication: two marked values. Hochreiter & Schmidhuber 1997, section 5.4."""

import torch
from torch import Tensor

from seqtool.api import Batch, Continuous, PartError, Size, SyntheticTask
from seqtool_tasks.symbols import draw_lengths

MIN_LENGTH = 11
"""The first marker is at one of the positions 2 to 10, and the last position is reserved."""


class MarkedValuesTask(SyntheticTask):
    """A source of pairs (value, marker), and one target value, which a subclass computes from the two marked ones.

    Values are uniform over `low` .. 1.
    """

    max_target_length = 1
    low = 0.0

    def __init__(self, length: Size) -> None:
        if length < MIN_LENGTH:
            raise PartError(
                f"{length} positions are too few for the markers", option="length", allowed=f"at least {MIN_LENGTH}"
            )
        self.length = length
        self.source_vocabulary, self.target_vocabulary = Continuous(size=2), Continuous(size=1)

    def target_value(self, first: Tensor, second: Tensor) -> Tensor:
        """The target, from the two marked values, `[B]` each."""
        raise NotImplementedError

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        """See `SyntheticTask.draw`."""
        device, most = generator.device, self.length * 11 // 10
        length = draw_lengths(self.length, most, batch_size, generator)
        value = torch.rand(batch_size, most, generator=generator, device=device) * (1 - self.low) + self.low
        first = draw_lengths(1, 9, batch_size, generator)
        last = length // 2 - 2
        second = draw_lengths(1, last - (first <= last).long(), batch_size, generator)
        second = second + (second >= first)  # a position other than the first
        marker = torch.zeros_like(value)
        for at, mark in ((first, 1.0), (second, 1.0), (torch.zeros_like(length), -1.0), (length - 1, -1.0)):
            marker.scatter_(1, at[:, None], mark)
        mask = torch.arange(most, device=device) < length[:, None]
        source = torch.stack([value, marker], 2).masked_fill(~mask[:, :, None], 0)
        marked = [value.gather(1, at[:, None]).squeeze(1) for at in (first, second)]
        target = self.target_value(*marked)[:, None, None]
        real = torch.ones_like(mask[:, :1])
        return Batch(source, mask, target, real, torch.full_like(length[:, None], -1))
