"""Multi-query associative recall."""

from dataclasses import replace

import torch

from seqtool.api import Batch, PartError, Positive, Size, SyntheticTask, Vocabulary
from seqtool_tasks.symbols import Ending, draw_distinct, read_off, skip


class Mqar(SyntheticTask):
    """Keys with their values, then each key once more, far apart: the target is the values in the order asked for.

    Equation:
        x = k_1 v_1 ... k_P v_P, then P queries among `length` - 2 P places: k_j at the place 2 g_j, the g_j different
        and drawn with chance proportional to (1 + g)^(power - 1);   y = the v_j in order of g_j

    Source: Arora et al. 2023, arXiv 2312.04927, whose generator makes such sources: keys are half of the vocabulary,
    values the other, and both differ in an example. There a decoder alone is asked for the value at each query; a
    target of the values, one after another, is our own set-up for models that read before they write.

    When to use: to see how many lookups by content a model can do in one source; fixed-size states run full. The
    published sizes are (length, pairs) = (64, 4), (128, 8), (256, 16) and (512, 64).

    Args:
        length: symbols of a source.
        pairs: P, how many keys have values.
        symbols: how many symbols there are: the blank, keys, and from the middle on values.
        power: how soon queries follow; 1 for uniform places.
        noise: fill the places between queries with random symbols that are not the keys of the source; else blanks.
        ending: "fixed", or "eos" to close each target with an end symbol.

    Raises:
        PartError: pairs that do not fit into the length, or more of them than keys.
    """

    has_alignment = True

    def __init__(
        self,
        *,
        length: Size = 64,
        pairs: Size = 4,
        symbols: Size = 8192,
        power: Positive = 0.01,
        noise: bool = False,
        ending: Ending = "fixed",
    ) -> None:
        if 4 * pairs > length:
            raise PartError(f"{pairs} pairs and their queries need {4 * pairs} places", option="length")
        keys = symbols // 2 - 1
        if keys < pairs:
            raise PartError(f"{symbols} symbols have {max(keys, 0)} keys for {pairs} pairs", option="symbols")
        self.length, self.pairs, self.symbols, self.power, self.noise = length, pairs, symbols, power, noise
        self.keys = keys
        values = tuple(f"v{i + 1}" for i in range(symbols - 1 - keys))
        self.source_vocabulary = Vocabulary(("_", *(f"k{i + 1}" for i in range(keys)), *values), blank=0)
        closing = ("</s>",) if ending == "eos" else ()
        self.target_vocabulary = Vocabulary(
            (*values, *closing, "<s>"), start=len(values) + len(closing), end=len(values) if closing else None
        )
        self.copy_map = self.source_vocabulary.copied_as(self.target_vocabulary)
        self.ending = ending
        self.max_target_length = pairs + len(closing)

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        """See `SyntheticTask.draw`."""
        device, pairs = generator.device, self.pairs
        key = 1 + draw_distinct(self.keys, pairs, batch_size, generator)
        value = 1 + self.keys + draw_distinct(self.symbols - 1 - self.keys, pairs, batch_size, generator)
        slots = (self.length - 2 * pairs) // 2
        chance = (self.power - 1) * torch.arange(1, slots + 1, device=device).log()
        delay = torch.empty(batch_size, slots, device=device).exponential_(generator=generator)
        gap = (chance - delay.log()).topk(pairs).indices  # one after another, without replacement
        filling = torch.zeros(batch_size, self.length - 2 * pairs, dtype=torch.long, device=device)
        if self.noise:
            other = torch.randint(self.symbols - 1 - pairs, filling.shape, generator=generator, device=device)
            filling = 1 + skip(other, key - 1)
        source = torch.cat([torch.stack([key, value], 2).flatten(1), filling.scatter(1, 2 * gap, key)], 1)
        length = torch.full_like(key[:, 0], self.length)
        order = 2 * gap.argsort(1) + 1
        count = torch.full_like(length, pairs)
        batch = read_off(source - self.keys - 1, length, order, count, self.target_vocabulary.end)
        return replace(batch, source=source)
