"""What copy, reverse, bigram_flip and sort share: a source of symbols, read in some order."""

import torch
from torch import Tensor

from seqtool.api import Batch, PartError, Size, SyntheticTask, Vocabulary
from seqtool_tasks.symbols import Ending, draw_lengths, read_off, symbol_names, target_vocabulary


class ReadingTask(SyntheticTask):
    """A source without gaps, and a target that is its symbols in the order that a subclass gives.

    `unit`: lengths are multiples of it, and so must be those given.
    """

    unit = 1

    def __init__(self, length: Size, symbols: Size, min_length: Size | None, ending: Ending) -> None:
        self.length, self.symbols = length, symbols
        self.min_length = min_length or length
        if self.min_length > length:
            raise PartError(f"min_length {min_length} exceeds length {length}", option="min_length")
        self.source_vocabulary = Vocabulary(symbol_names(symbols))
        self.target_vocabulary = target_vocabulary(symbols, ending)
        self.copy_map = self.source_vocabulary.copied_as(self.target_vocabulary)
        self.ending = ending
        self.max_target_length = length + (ending == "eos")

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
