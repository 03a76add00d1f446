"""Multi-query associative recall."""

from dataclasses import replace

import torch

from seqtool.api import Batch, PartError, Positive, Size, SyntheticTask, Vocabulary
from seqtool_tasks.symbols import Ending, draw_distinct, gathered_batch, unused_numbers


class Mqar(SyntheticTask):
    """Keys with values, followed by each key again as a query; the target is the values in the order of the queries.

    Equation:
        x = k_1 v_1 ... k_P v_P, then P queries among `length` - 2 P positions: k_j at position 2 g_j, distinct g_j
        drawn with probability proportional to (1 + g)^(power - 1);   y = the v_j in order of g_j

    Source: Arora et al. 2023, arXiv 2312.04927, whose generator produces such sources: keys are one half of the
    vocabulary, values the other, and both are distinct in an example. There, a decoder-only model predicts the value at
    each query; the values as target sequence are our own set-up for encoder-decoder models.

    When to use: to test how many lookups by content a model can do in one source; states of fixed size have limited
    capacity. The published sizes are (length, pairs) = (64, 4), (128, 8), (256, 16) and (512, 64).

    Args:
        length: the number of symbols of a source.
        pairs: P, the number of keys with values.
        symbols: the number of symbols: the blank, the keys, and the values as the second half.
        power: how soon the queries follow; 1: uniform positions.
        noise: fill the positions between queries with random symbols that are not keys of the source, instead of
            blanks.
        ending: "fixed", or "eos" to append an end symbol to each target.

    Raises:
        PartError: `pairs` do not fit into `length`, or exceed the number of keys.
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
            raise PartError(f"{pairs} pairs and their queries need {4 * pairs} positions", option="length")
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
        log_weight = (self.power - 1) * torch.arange(1, slots + 1, device=device).log()
        delay = torch.empty(batch_size, slots, device=device).exponential_(generator=generator)
        gap = (log_weight - delay.log()).topk(pairs).indices  # drawn without replacement
        filling = torch.zeros(batch_size, self.length - 2 * pairs, dtype=torch.long, device=device)
        if self.noise:
            other = torch.randint(self.symbols - 1 - pairs, filling.shape, generator=generator, device=device)
            filling = 1 + unused_numbers(other, key - 1)
        source = torch.cat([torch.stack([key, value], 2).flatten(1), filling.scatter(1, 2 * gap, key)], 1)
        length = torch.full_like(key[:, 0], self.length)
        order = 2 * gap.argsort(1) + 1
        count = torch.full_like(length, pairs)
        batch = gathered_batch(source - self.keys - 1, length, order, count, self.target_vocabulary.end)
        return replace(batch, source=source)
