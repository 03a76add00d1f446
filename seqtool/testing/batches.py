"""Example batches for the contracts of losses and metrics."""

from dataclasses import fields

import torch
from torch import Tensor
from torch.nn.functional import pad

from seqtool.parts.batch import Batch
from seqtool.parts.vocabulary import Modality

SOURCE, TARGET = 7, 5


def example_batch(generator: torch.Generator, batch_size: int, symbols: int, modality: Modality = "symbols") -> Batch:
    """Random targets: ids below `symbols`, or vectors of that size; zeros at padding.

    The lengths of the targets are T, 0, 1, T - 2, T, and so on.
    """
    source = torch.randint(symbols, (batch_size, SOURCE), generator=generator)
    target = torch.randint(symbols, (batch_size, TARGET), generator=generator)
    values = torch.randn(batch_size, TARGET, symbols, generator=generator)
    length = torch.tensor([(TARGET, 0, 1, TARGET - 2)[row % 4] for row in range(batch_size)])
    source_mask = torch.arange(SOURCE) < torch.tensor([SOURCE - row % 3 for row in range(batch_size)])[:, None]
    target_mask = torch.arange(TARGET) < length[:, None]
    return Batch(
        source.masked_fill(~source_mask, 0),
        source_mask,
        fill(target if modality == "symbols" else values, ~target_mask, 0),
        target_mask,
        torch.arange(TARGET).expand_as(target).masked_fill(~target_mask, -1),
    )


def fill(x: Tensor, where: Tensor, value: float) -> Tensor:
    """`x [B, T]` or `[B, T, F]` with `value` where `where [B, T]` is True."""
    return x.masked_fill(where.reshape(*where.shape, *[1] * (x.dim() - 2)), value)


def with_longer_target(batch: Batch, added: int) -> Batch:
    """The batch with `added` more positions of padding in the target."""
    target = torch.cat([batch.target, batch.target.new_zeros(len(batch), added, *batch.target.shape[2:])], 1)
    mask = pad(batch.target_mask, (0, added))
    return Batch(batch.source, batch.source_mask, target, mask, pad(batch.alignment, (0, added), value=-1))


def join(first: Batch, second: Batch) -> Batch:
    """The rows of both batches."""
    return Batch(*(torch.cat([getattr(first, f.name), getattr(second, f.name)]) for f in fields(Batch)))
