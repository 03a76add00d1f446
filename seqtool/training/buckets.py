"""Batches padded to a few lengths, so that they have few distinct shapes."""

from dataclasses import fields, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from seqtool.parts.batch import Batch
from seqtool.parts.task import Task

MIN_BUCKET = 8
NUM_PROBED = 8
"""Number of training batches inspected to find whether lengths vary."""


def bucket_length(length: int) -> int:
    """The padded length: a multiple of 8 up to 64, then one of 4 lengths in each doubling."""
    step = max(MIN_BUCKET, 1 << max(0, (length - 1).bit_length() - 3))
    return -(-length // step) * step


def pad_to_bucket(batch: Batch) -> Batch:
    """Pad the source and the target to their bucket lengths. Padding changes no loss and no metric."""
    target_padding = bucket_length(batch.target.shape[1]) - batch.target.shape[1]
    source_padding = bucket_length(batch.source.shape[1]) - batch.source.shape[1]
    if not target_padding and not source_padding:
        return batch
    padded = {}
    for field in fields(batch):
        value = getattr(batch, field.name)
        if isinstance(value, Tensor):
            count = source_padding if field.name.startswith("source") else target_padding
            padded[field.name] = _pad(value, count, -1 if field.name == "alignment" else 0)
    return replace(batch, **padded)


def lengths_vary(task: Task, seed: int, batch_size: int) -> bool:
    """Whether the first training batches differ in shape. Deterministic."""
    cpu = torch.device("cpu")
    batches = [task.batch("train", k, seed=seed, rank=0, batch_size=batch_size, device=cpu) for k in range(NUM_PROBED)]
    return len({(batch.source.shape, batch.target.shape) for batch in batches}) > 1


def _pad(x: Tensor, count: int, value: int) -> Tensor:
    """`x [B, L, ...]` -> `[B, L + count, ...]`."""
    return F.pad(x, (*[0, 0] * (x.dim() - 2), 0, count), value=value)
