"""The associative recall task."""

import torch

from seqtool.api import Batch, PartError, Size, SyntheticTask, Vocabulary
from seqtool_tasks.symbols import Ending, draw_distinct, draw_lengths, gathered_batch, symbol_names, target_vocabulary

MAX_POPULATION = 2**62


class AssociativeRecall(SyntheticTask):
    """A list of items, followed by one of them as the query; the target is the item after it in the list.

    Equation:
        x = <item> u_1 <item> u_2 ... <item> u_n <query> u_q,   y = u_{q+1},   q < n; each u_i is `item_length` symbols

    Source: Graves et al. 2014, arXiv 1410.5401, section 4.3: items of 3 vectors, 2 to 6 items in training and up to
    20 in the test; symbols instead of its random binary vectors. The items of a source differ, so that the answer is
    unique.

    When to use: to test lookup by content followed by a shift to the next item; mqar tests lookups of many values by
    key.

    Args:
        items: the largest number of items n of a source.
        item_length: the number of symbols of an item.
        symbols: the number of different symbols.
        min_items: sources have this many to `items` items, uniformly; at least 2.
        ending: "fixed", or "eos" to append an end symbol to each target.

    Raises:
        PartError: fewer than two items, or more items than different ones exist.
    """

    has_alignment = True

    def __init__(
        self,
        *,
        items: Size = 6,
        item_length: Size = 3,
        symbols: Size = 8,
        min_items: Size = 2,
        ending: Ending = "fixed",
    ) -> None:
        if not 2 <= min_items <= items:
            allowed = f"2 to items, {items}" if items >= 2 else ""
            option = "min_items" if items >= 2 else "items"
            raise PartError(
                f"a source has {min_items} to {items} items; two are needed", option=option, allowed=allowed
            )
        self.population = symbols ** min(item_length, 63)
        if not items <= self.population <= MAX_POPULATION:
            number = "fewer" if self.population < items else "too many"
            message = f"there are {number} different items of {item_length} out of {symbols} symbols"
            raise PartError(message, option="item_length")
        self.items, self.item_length, self.symbols, self.min_items = items, item_length, symbols, min_items
        self.source_vocabulary = Vocabulary((*symbol_names(symbols), "<item>", "<query>"))
        self.target_vocabulary = target_vocabulary(symbols, ending)
        self.copy_map = self.source_vocabulary.copied_as(self.target_vocabulary)
        self.ending = ending
        self.max_target_length = item_length + (ending == "eos")

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        """See `SyntheticTask.draw`."""
        device, block = generator.device, self.item_length + 1
        count = draw_lengths(self.min_items, self.items, batch_size, generator)
        query = draw_lengths(0, count - 2, batch_size, generator)
        item = draw_distinct(self.population, self.items, batch_size, generator)
        item = torch.cat([item, item[:, :1]], 1).scatter(1, count[:, None], item.gather(1, query[:, None]))
        power = self.symbols ** torch.arange(self.item_length, device=device)
        symbol = item[:, :, None] // power % self.symbols  # [B, items + 1, item_length]
        mark = torch.full_like(item, self.symbols).scatter(1, count[:, None], self.symbols + 1)
        source = torch.cat([mark[:, :, None], symbol], 2).flatten(1)
        length = (count + 1) * block
        source = source.masked_fill(torch.arange(source.shape[1], device=device) >= length[:, None], 0)
        order = (query[:, None] + 1) * block + 1 + torch.arange(self.item_length, device=device)
        target_length = torch.full_like(count, self.item_length)
        return gathered_batch(source, length, order, target_length, self.target_vocabulary.end)
