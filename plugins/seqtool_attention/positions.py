"""Source positions: the first, the last real one, the next, and the longest source."""

import torch
from torch import Tensor

from seqtool.api import PartError, lengths


def check_source_length(length: int, max_length: int, name: str) -> None:
    """Raise a `PartError` if a source of `length` exceeds the `max_length` of the scorer `name`."""
    if length > max_length:
        raise PartError(
            f"a source of {length} positions is longer than the {max_length} that the {name} scorer was built for",
            option="max_length",
            allowed=f"max_length: {length} or more",
        )


def first_position_weights(memory: Tensor, mask: Tensor) -> Tensor:
    """One-hot weights at the first position, zeros for a row of padding: `[B, S]`."""
    first = torch.arange(mask.shape[1], device=mask.device) == 0
    return (mask & first).to(memory.dtype)


def last_position_mask(mask: Tensor) -> Tensor:
    """True at the last real position: bool `[B, S]`."""
    return torch.arange(mask.shape[1], device=mask.device) == lengths(mask)[:, None] - 1


def shift_right(x: Tensor) -> Tensor:
    """`x [B, S]` shifted by one position, zero at the first."""
    return torch.nn.functional.pad(x[:, :-1], (1, 0))
