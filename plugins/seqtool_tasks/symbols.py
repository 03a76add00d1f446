"""Vocabularies, random numbers and batches of synthetic tasks."""

import string
from typing import Literal

import torch
from torch import Tensor

from seqtool.api import Batch, Vocabulary

Ending = Literal["fixed", "eos"]


def symbol_names(count: int) -> tuple[str, ...]:
    """`a`, `b`, ... for up to 26 symbols, else `s1`, `s2`, ..."""
    return tuple(string.ascii_lowercase[:count]) if count <= 26 else tuple(f"s{i + 1}" for i in range(count))


def target_vocabulary(count: int, ending: Ending) -> Vocabulary:
    """The symbols, an end symbol if `ending` is "eos", and the start symbol."""
    closing = ("</s>",) if ending == "eos" else ()
    symbols = (*symbol_names(count), *closing, "<s>")
    return Vocabulary(symbols, start=len(symbols) - 1, end=count if closing else None)


def draw_lengths(low: int, high: int | Tensor, batch_size: int, generator: torch.Generator) -> Tensor:
    """`[B]` lengths, uniform over low .. high, inclusive; `high` may be `[B]`."""
    fraction = torch.rand(batch_size, generator=generator, device=generator.device)
    return (low + (fraction * (high - low + 1)).floor()).long().clamp(max=high)


def draw_distinct(population: int, count: int, batch_size: int, generator: torch.Generator) -> Tensor:
    """`[B, count]` numbers from 0 .. population - 1, distinct in each row, uniform over all orders."""
    drawn = torch.empty(batch_size, 0, dtype=torch.long, device=generator.device)
    for taken in range(count):
        rank = torch.randint(population - taken, (batch_size, 1), generator=generator, device=generator.device)
        drawn = torch.cat([drawn, unused_numbers(rank, drawn)], 1)
    return drawn


def unused_numbers(rank: Tensor, taken: Tensor) -> Tensor:
    """The numbers of rank `rank [B, N]`, from 0, among those not in `taken [B, K]`, distinct in each row."""
    below = taken.sort(1).values - torch.arange(taken.shape[1], device=taken.device)
    return rank + torch.searchsorted(below, rank, right=True)


def concatenate(*parts: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Concatenate the real ids of each row, from ids and masks `[B, n]`; return them, padded with 0, and their mask."""
    symbols, real = (torch.cat(tensors, 1) for tensors in zip(*parts, strict=True))
    place = (~real).long().argsort(dim=1, stable=True)
    real = real.gather(1, place)
    return symbols.gather(1, place) * real, real


def gathered_batch(
    source: Tensor, source_length: Tensor, order: Tensor, target_length: Tensor, end: int | None
) -> Batch:
    """A batch whose target is the source, gathered in `order`.

    `source [B, S]`: symbols with the target's ids, arbitrary at padding. `order [B, T]`: the source index of each
    target symbol, of which the first `target_length [B]` entries are used. `end` is appended if given.
    """
    step = torch.arange(order.shape[1], device=source.device)
    real = step < target_length[:, None]
    order = order.masked_fill(~real, -1)
    target = source.gather(1, order.clamp(min=0)).masked_fill(~real, 0)
    if end is not None:
        order = torch.nn.functional.pad(order, (0, 1), value=-1)
        target = torch.nn.functional.pad(target, (0, 1)).scatter(1, target_length[:, None], end)
        real = torch.nn.functional.pad(real, (1, 0), value=True)
    position = torch.arange(source.shape[1], device=source.device)
    return Batch(source, position < source_length[:, None], target, real, order)
