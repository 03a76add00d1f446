"""Batches padded to a few lengths, so that few shapes of them exist."""

from dataclasses import fields, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from seqtool.parts.batch import Batch
from seqtool.parts.task import Task

SMALLEST = 8
PROBED = 8
"""How many training batches are looked at to find whether lengths vary."""


def bucket(length: int) -> int:
    """The length that `length` is padded to: multiples of 8 up to 64, then 4 lengths for each doubling."""
    step = max(SMALLEST, 1 << max(0, (length - 1).bit_length() - 3))
    return -(-length // step) * step


def bucketed(batch: Batch) -> Batch:
    """A batch with the S and T of its buckets. Padding changes no loss and no metric."""
    steps = bucket(batch.target.shape[1]) - batch.target.shape[1]
    positions = bucket(batch.source.shape[1]) - batch.source.shape[1]
    if not steps and not positions:
        return batch
    more = {field.name: positions if field.name.startswith("source") else steps for field in fields(batch)}
    padded = {
        name: _padded(getattr(batch, name), count, -1 if name == "alignment" else 0)
        for name, count in more.items()
        if isinstance(getattr(batch, name), Tensor)
    }
    return replace(batch, **padded)


def lengths_vary(task: Task, seed: int, batch_size: int) -> bool:
    """Whether the first training batches differ in shape; the same at each call."""
    cpu = torch.device("cpu")
    batches = [task.batch("train", k, seed=seed, rank=0, batch_size=batch_size, device=cpu) for k in range(PROBED)]
    return len({(batch.source.shape, batch.target.shape) for batch in batches}) > 1


def _padded(x: Tensor, count: int, value: int) -> Tensor:
    """`x [B, L, ...]` -> `[B, L + count, ...]`."""
    return F.pad(x, (*[0, 0] * (x.dim() - 2), 0, count), value=value)
