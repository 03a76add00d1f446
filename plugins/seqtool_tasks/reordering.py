"""What copy, reverse, bigram_flip and sort share: a source of symbols, read in some order."""

from copy import copy

import torch
from torch import Tensor

from seqtool.api import Batch, PartError, Size, Split, SyntheticTask, Vocabulary
from seqtool_tasks.symbols import Ending, draw_lengths, read_off, symbol_names, target_vocabulary


class ReadingTask(SyntheticTask):
    """A source without gaps, and a target that is its symbols in the order that a subclass gives.

    Args:
        length: symbols of a source.
        symbols: how many different symbols there are.
        min_length: sources are this long to `length`, uniformly, and padded; null for all `length`.
        test_length: the test's sources have up to so many symbols, to ask for more than was trained; null for no other.
        test_min_length: they have this many to `test_length`; null for all `test_length`.
        ending: "fixed", or "eos" to close each target with an end symbol.

    Attributes:
        unit: lengths are multiples of it.
        test: this task with the lengths of the test split, where they are others.

    Raises:
        PartError: no multiple of `unit` between least and largest length; a test_min_length without a test_length.
    """

    has_alignment = True
    unit = 1

    def __init__(
        self,
        *,
        length: Size,
        symbols: Size = 8,
        min_length: Size | None = None,
        test_length: Size | None = None,
        test_min_length: Size | None = None,
        ending: Ending = "fixed",
    ) -> None:
        self.symbols, self.ending = symbols, ending
        self.min_length, self.length = self._lengths(min_length, length)
        if test_min_length and not test_length:
            raise PartError(f"test_min_length {test_min_length} goes with a test_length", option="test_length")
        self.source_vocabulary = Vocabulary(symbol_names(symbols))
        self.target_vocabulary = target_vocabulary(symbols, ending)
        self.copy_map = self.source_vocabulary.copied_as(self.target_vocabulary)
        self.test: ReadingTask | None = None
        if test_length:
            test = copy(self)
            test.min_length, test.length = self._lengths(test_min_length, test_length, "test_")
            self.test = test
        self.max_target_length = max(task.length for task in (self, self.test) if task) + (ending == "eos")

    def batch(self, split: Split, k: int, *, seed: int, rank: int, batch_size: int, device: torch.device) -> Batch:
        """See `Task.batch`."""
        if split == "test" and self.test:
            return self.test.batch(split, k, seed=seed, rank=rank, batch_size=batch_size, device=device)
        return super().batch(split, k, seed=seed, rank=rank, batch_size=batch_size, device=device)

    def _lengths(self, least: int | None, most: int, side: str = "") -> tuple[int, int]:
        """The first and the last multiple of `unit` between the two."""
        high = most - most % self.unit
        low = high if least is None else -(-least // self.unit) * self.unit
        if not self.unit <= low <= high:
            option = f"{side}length" if high < self.unit else f"{side}min_length"
            of = f" that is a multiple of {self.unit}" if self.unit > 1 else ""
            raise PartError(f"no length{of} is between {side}min_length {least or most} and {most}", option=option)
        return low, high

    def order(self, source: Tensor, position: Tensor, length: Tensor) -> Tensor:
        """The source index that each target position reads: `source [B, S]`, `position [S]`, `length [B]` -> `[B, S]`.

        The source is 0 at padding; only the first `length` entries of a row are looked at.
        """
        raise NotImplementedError

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        """See `SyntheticTask.draw`."""
        device = generator.device
        least, most = self.min_length // self.unit, self.length // self.unit
        length = draw_lengths(least, most, batch_size, generator) * self.unit
        shape = (batch_size, self.length)
        source = torch.randint(self.symbols, shape, generator=generator, device=device)
        position = torch.arange(self.length, device=device)
        source = source.masked_fill(position >= length[:, None], 0)
        return read_off(source, length, self.order(source, position, length), length, self.target_vocabulary.end)
