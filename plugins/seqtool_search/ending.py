"""When a search asks which of its hypotheses have ended: that waits for a device which works ahead."""

import torch
from torch import Tensor

DROP = 0.75
"""Rows that have ended leave the batch when no larger share of it goes on: that copies what the others look at."""
EVERY = 8
"""Steps from one question to the next, but on the CPU, which has nothing to wait for."""


def asks(step: int, device: torch.device) -> bool:
    """Whether to ask after the step `step`, 0 being the first."""
    return device.type == "cpu" or step % EVERY == EVERY - 1


def places(mask: Tensor, count: int) -> Tensor:
    """The indices where `mask [B]` is true, of which there are `count`; unlike `nonzero`, it waits for no device."""
    return (~mask).long().argsort(stable=True)[:count]


def steps_written(mask: Tensor) -> int:
    """How many steps any hypothesis of `mask [B, K, T]` is long; at least one. Some were taken for nothing."""
    return max(1, int(mask.sum(2).max())) if mask.numel() else mask.shape[2]
