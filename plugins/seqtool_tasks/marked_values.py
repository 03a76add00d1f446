"""What adding and multiplication share: values, two of them marked. Hochreiter & Schmidhuber 1997, section 5.4."""

import torch
from torch import Tensor

from seqtool.api import Batch, Continuous, PartError, Size, SyntheticTask
from seqtool_tasks.symbols import draw_lengths

SHORTEST = 11
"""The first marker stands at one of the places 2 to 10, and the last place is taken."""


class MarkedTask(SyntheticTask):
    """A source of pairs (value, marker); the target is one value, which a subclass makes of the two marked ones.

    `low`: values are uniform over low .. 1.
    """

    max_target_length = 1
    low = 0.0

    def __init__(self, length: Size) -> None:
        if length < SHORTEST:
            raise PartError(
                f"{length} places leave no room for the markers", option="length", allowed=f"from {SHORTEST} on"
            )
        self.length = length
        self.source_vocabulary, self.target_vocabulary = Continuous(size=2), Continuous(size=1)

    def answer(self, first: Tensor, second: Tensor) -> Tensor:
        """The target of the two marked values, `[B]` each."""
        raise NotImplementedError

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        """See `SyntheticTask.draw`."""
        device, most = generator.device, self.length * 11 // 10
        length = draw_lengths(self.length, most, batch_size, generator)
        value = torch.rand(batch_size, most, generator=generator, device=device) * (1 - self.low) + self.low
        first = draw_lengths(1, 9, batch_size, generator)
        last = length // 2 - 2
        second = draw_lengths(1, last - (first <= last).long(), batch_size, generator)
        second = second + (second >= first)  # another place than the first
        marker = torch.zeros_like(value)
        for place, mark in ((first, 1.0), (second, 1.0), (torch.zeros_like(length), -1.0), (length - 1, -1.0)):
            marker.scatter_(1, place[:, None], mark)
        mask = torch.arange(most, device=device) < length[:, None]
        source = torch.stack([value, marker], 2).masked_fill(~mask[:, :, None], 0)
        picked = [value.gather(1, place[:, None]).squeeze(1) for place in (first, second)]
        target = self.answer(*picked)[:, None, None]
        real = torch.ones_like(mask[:, :1])
        return Batch(source, mask, target, real, torch.full_like(length[:, None], -1))
