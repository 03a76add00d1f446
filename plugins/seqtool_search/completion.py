"""When a search checks for hypotheses that have ended: reading the result from an accelerator waits for it."""

import torch
from torch import Tensor

MAX_ACTIVE_FRACTION = 0.75
"""Ended rows are removed when at most this fraction of the batch is active; removal copies the rest of the batch."""
CHECK_INTERVAL = 8
"""Steps between two checks on an accelerator; on the CPU every step is checked."""


def is_check_step(step: int, device: torch.device) -> bool:
    """Whether to check after the step of index `step`, from 0."""
    return device.type == "cpu" or step % CHECK_INTERVAL == CHECK_INTERVAL - 1


def true_indices(mask: Tensor, count: int) -> Tensor:
    """The `count` indices at which `mask [B]` is true; unlike `nonzero`, without waiting for the device."""
    return (~mask).long().argsort(stable=True)[:count]


def max_hypothesis_length(mask: Tensor) -> int:
    """The length of the longest hypothesis of `mask [B, K, T]`, at least 1; T may be larger between two checks."""
    return max(1, int(mask.sum(2).max())) if mask.numel() else mask.shape[2]
