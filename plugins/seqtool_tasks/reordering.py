"""The base of copy, reverse, bigram_flip and sort: the target is the source in another order."""

from copy import copy

import torch
from torch import Tensor

from seqtool.api import Batch, PartError, Size, Split, SyntheticTask, Vocabulary
from seqtool_tasks.symbols import Ending, draw_lengths, gathered_batch, symbol_names, target_vocabulary


class ReorderingTask(SyntheticTask):
    """Random symbols; the target is the symbols of the source in the order that a subclass defines.

    Args:
        length: the number of symbols of a source.
        symbols: the number of different symbols.
        min_length: sources have this many to `length` symbols, uniformly, and are padded; null: always `length`.
        test_length: the largest number of symbols in the test, to test generalization to longer sources; null: as in
            training.
        test_min_length: test sources have this many to `test_length` symbols; null: always `test_length`.
        ending: "fixed", or "eos" to append an end symbol to each target.

    Attributes:
        unit: lengths are multiples of this number.
        test: the task with the lengths of the test split, None if they are equal.

    Raises:
        PartError: no multiple of `unit` is between minimum and maximum length, or `test_min_length` is set without
            `test_length`.
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
            raise PartError(f"test_min_length {test_min_length} requires test_length", option="test_length")
        self.source_vocabulary = Vocabulary(symbol_names(symbols))
        self.target_vocabulary = target_vocabulary(symbols, ending)
        self.copy_map = self.source_vocabulary.copied_as(self.target_vocabulary)
        self.test: ReorderingTask | None = None
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
        """The smallest and the largest multiple of `unit` between the two."""
        high = most - most % self.unit
        low = high if least is None else -(-least // self.unit) * self.unit
        if not self.unit <= low <= high:
            option = f"{side}length" if high < self.unit else f"{side}min_length"
            of = f" that is a multiple of {self.unit}" if self.unit > 1 else ""
            raise PartError(f"no length{of} is between {side}min_length {least or most} and {most}", option=option)
        return low, high

    def order(self, source: Tensor, position: Tensor, length: Tensor) -> Tensor:
        """The source index that each target position reads: `source [B, S]`, `position [S]`, `length [B]` -> `[B, S]`.

        The source is 0 at padding; only the first `length` entries of each row are used.
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
        return gathered_batch(source, length, self.order(source, position, length), length, self.target_vocabulary.end)
