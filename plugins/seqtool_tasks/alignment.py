"""The alignment task: pick the symbols out of a mostly empty sequence, in order."""

import torch

from seqtool.api import Batch, PartError, Size, SyntheticTask, Vocabulary
from seqtool_tasks.symbols import Ending, draw_lengths, read_off, symbol_names, target_vocabulary


class Alignment(SyntheticTask):
    """Random symbols at random places of an empty source; the target is the symbols in order, without the gaps.

    Equation:
        y_i = x_{p_i},  p_1 < p_2 < ... < p_T the places that are not empty

    Source: the recurrent-attention example of the Stockholm AI reading group (2017), 30 -> 10 and 60 -> 20.

    When to use: to compare attention mechanisms: the right alignment is known, and a decoder without attention fails.

    Args:
        source_length: S, positions of a source.
        target_length: T, symbols in it; at most S.
        symbols: how many different symbols there are.
        min_source_length: sources are this long to S, uniformly, and padded; null for all S.
        min_target_length: targets have this many to T symbols (or as many as the source holds); null for all T.
        ending: "fixed", or "eos" to close each target with an end symbol.

    Raises:
        PartError: a target longer than its source.
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
        self._refuse_misfits()
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
        chance = torch.rand(shape, generator=generator, device=device)
        chance = chance.masked_fill(position >= source_length[:, None], 2)
        filled = chance.argsort(1).argsort(1) < target_length[:, None]
        symbol = torch.randint(self.symbols, shape, generator=generator, device=device)
        order = torch.where(filled, position, self.source_length).sort(1).values[:, : self.target_length]
        order = order.clamp(max=self.source_length - 1)
        batch = read_off(symbol, source_length, order, target_length, self.target_vocabulary.end)
        return Batch((symbol + 1) * filled, batch.source_mask, batch.target, batch.target_mask, batch.alignment)

    def _refuse_misfits(self) -> None:
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
