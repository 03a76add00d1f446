"""The alignment task: extract the symbols from a sequence of mostly blanks, in order."""

import torch

from seqtool.api import Batch, PartError, Size, SyntheticTask, Vocabulary
from seqtool_tasks.symbols import Ending, draw_lengths, gathered_batch, symbol_names, target_vocabulary


class Alignment(SyntheticTask):
    """Random symbols at random positions among blanks; the target is the symbols in order, without the blanks.

    Equation:
        y_i = x_{p_i},  p_1 < p_2 < ... < p_T the positions that are not blank

    Source: the recurrent-attention example of the Stockholm AI reading group (2017), 30 -> 10 and 60 -> 20.

    When to use: to compare attention mechanisms: the correct alignment is known, and decoders without attention fail.

    Args:
        source_length: S, the number of positions of a source.
        target_length: T, the number of symbols among them; at most S.
        symbols: the number of different symbols.
        min_source_length: sources have this many to S positions, uniformly, and are padded; null: always S.
        min_target_length: targets have this many to T symbols, at most the length of the source; null: always T.
        ending: "fixed", or "eos" to append an end symbol to each target.

    Raises:
        PartError: a target can be longer than its source, or a minimum exceeds its maximum.
    """

    has_alignment = True

    def __init__(
        self,
        *,
        source_length: Size,
        target_length: Size,
        symbols: Size = 4,
        min_source_length: Size | None = None,
        min_target_length: Size | None = None,
        ending: Ending = "fixed",
    ) -> None:
        self.source_length = source_length
        self.target_length = target_length
        self.min_source_length = min_source_length or source_length
        self.min_target_length = min_target_length or target_length
        self._check_lengths()
        self.symbols = symbols
        self.source_vocabulary = Vocabulary(("_", *symbol_names(symbols)), blank=0)
        self.target_vocabulary = target_vocabulary(symbols, ending)
        self.copy_map = self.source_vocabulary.copied_as(self.target_vocabulary)
        self.ending = ending
        self.max_target_length = target_length + (ending == "eos")

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        """See `SyntheticTask.draw`."""
        device, shape = generator.device, (batch_size, self.source_length)
        source_length = draw_lengths(self.min_source_length, self.source_length, batch_size, generator)
        most = source_length.clamp(max=self.target_length)
        target_length = draw_lengths(self.min_target_length, most, batch_size, generator)
        position = torch.arange(self.source_length, device=device)
        rank = torch.rand(shape, generator=generator, device=device)
        rank = rank.masked_fill(position >= source_length[:, None], 2)
        filled = rank.argsort(1).argsort(1) < target_length[:, None]
        symbol = torch.randint(self.symbols, shape, generator=generator, device=device)
        order = torch.where(filled, position, self.source_length).sort(1).values[:, : self.target_length]
        order = order.clamp(max=self.source_length - 1)
        batch = gathered_batch(symbol, source_length, order, target_length, self.target_vocabulary.end)
        return Batch((symbol + 1) * filled, batch.source_mask, batch.target, batch.target_mask, batch.alignment)

    def _check_lengths(self) -> None:
        if self.target_length > self.source_length:
            raise PartError(
                f"a target of {self.target_length} symbols does not fit into a source of {self.source_length}",
                option="target_length",
                allowed=f"at most source_length, {self.source_length}",
            )
        if self.min_source_length > self.source_length:
            raise PartError(
                f"min_source_length {self.min_source_length} exceeds source_length {self.source_length}",
                option="min_source_length",
            )
        most = min(self.target_length, self.min_source_length)
        if self.min_target_length > most:
            raise PartError(
                f"the shortest target ({self.min_target_length}) does not fit into the shortest source "
                f"({self.min_source_length}), or exceeds target_length ({self.target_length})",
                option="min_target_length",
                allowed=f"at most {most}",
            )
