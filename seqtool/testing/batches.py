"""Batches to try losses and metrics with."""

from dataclasses import fields

import torch

from seqtool.parts.batch import Batch

SOURCE, TARGET = 7, 3


def example_batch(generator: torch.Generator, batch_size: int, symbols: int) -> Batch:
    """Random ids; targets of T, 0, 1, T, ... symbols, padded with zeros."""
    source = torch.randint(symbols, (batch_size, SOURCE), generator=generator)
    target = torch.randint(symbols, (batch_size, TARGET), generator=generator)
    length = torch.tensor([(TARGET, 0, 1)[row % 3] for row in range(batch_size)])
    source_mask = torch.arange(SOURCE) < torch.tensor([SOURCE - row % 3 for row in range(batch_size)])[:, None]
    target_mask = torch.arange(TARGET) < length[:, None]
    return Batch(
        source.masked_fill(~source_mask, 0),
        source_mask,
        target.masked_fill(~target_mask, 0),
        target_mask,
        torch.arange(TARGET).expand_as(target).masked_fill(~target_mask, -1),
    )


def join(first: Batch, second: Batch) -> Batch:
    """Both, one under the other."""
    return Batch(*(torch.cat([getattr(first, f.name), getattr(second, f.name)]) for f in fields(Batch)))
