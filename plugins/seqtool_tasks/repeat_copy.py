"""The repeat copy task."""

import torch

from seqtool.api import Batch, PartError, Size, SyntheticTask, Vocabulary
from seqtool_tasks.symbols import Ending, draw_lengths, gathered_batch, symbol_names, target_vocabulary


class RepeatCopy(SyntheticTask):
    """The source is symbols and a number; the target is the symbols, repeated that number of times.

    Equation:
        x = s_1 .. s_n r,   y_i = s_{1 + (i - 1) mod n},   i = 1 .. r n

    Source: Graves et al. 2014, arXiv 1410.5401, section 4.2; symbols instead of its random binary vectors, and a
    symbol for each number (`x1`, `x2`, ...) instead of a scalar.

    When to use: to test whether a model can repeat its source and count the repetitions; with the ending "eos", as in
    the paper, it must also predict the end.

    Args:
        length: the largest number of symbols n; 10 in the paper's training.
        repeats: the largest number of repetitions r; 10 in the paper's training.
        symbols: the number of different symbols.
        min_length: n is uniform from this to `length`; null: always `length`.
        min_repeats: r is uniform from this to `repeats`.
        ending: "fixed", or "eos" to append an end symbol to each target.

    Raises:
        PartError: a minimum exceeds its maximum.
    """

    has_alignment = True

    def __init__(
        self,
        *,
        length: Size,
        repeats: Size,
        symbols: Size = 8,
        min_length: Size | None = None,
        min_repeats: Size = 1,
        ending: Ending = "eos",
    ) -> None:
        self.length, self.repeats, self.symbols = length, repeats, symbols
        self.min_length, self.min_repeats = min_length or length, min_repeats
        for name, least, most in (("length", self.min_length, length), ("repeats", min_repeats, repeats)):
            if least > most:
                raise PartError(f"min_{name} {least} exceeds {name} {most}", option=f"min_{name}")
        numbers = tuple(f"x{i + 1}" for i in range(repeats))
        self.source_vocabulary = Vocabulary((*symbol_names(symbols), *numbers))
        self.target_vocabulary = target_vocabulary(symbols, ending)
        self.copy_map = self.source_vocabulary.copied_as(self.target_vocabulary)
        self.ending = ending
        self.max_target_length = length * repeats + (ending == "eos")

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        """See `SyntheticTask.draw`."""
        device = generator.device
        length = draw_lengths(self.min_length, self.length, batch_size, generator)
        repeats = draw_lengths(self.min_repeats, self.repeats, batch_size, generator)
        shape = (batch_size, self.length + 1)
        source = torch.randint(self.symbols, shape, generator=generator, device=device)
        position = torch.arange(self.length + 1, device=device)
        source = source.masked_fill(position >= length[:, None], 0)
        source = source.scatter(1, length[:, None], (self.symbols + repeats - 1)[:, None])
        order = torch.arange(self.length * self.repeats, device=device) % length[:, None]
        return gathered_batch(source, length + 1, order, length * repeats, self.target_vocabulary.end)
