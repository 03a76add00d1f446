"""Positions of the source: the first, the last real one, and how many there may be."""

import torch
from torch import Tensor

from seqtool.api import PartError, lengths


def require_length(length: int, max_length: int, name: str) -> None:
    """Refuse a source that is longer than a scorer has positions for."""
    if length > max_length:
        raise PartError(
            f"a source of {length} positions is longer than the {max_length} that the {name} scorer was built for",
            option="max_length",
            allowed=f"max_length: {length} or more",
        )


def one_hot_start(memory: Tensor, mask: Tensor) -> Tensor:
    """All weight on the first position, where it is real: `[B, S]`."""
    first = torch.arange(mask.shape[1], device=mask.device) == 0
    return (mask & first).to(memory.dtype)


def is_last(mask: Tensor) -> Tensor:
    """True at the last real position: bool `[B, S]`."""
    return torch.arange(mask.shape[1], device=mask.device) == lengths(mask)[:, None] - 1


def moved(x: Tensor, filler: float = 0.0) -> Tensor:
    """Everything one position on, `filler` at the first: `[B, S]`."""
    return torch.nn.functional.pad(x[:, :-1], (1, 0), value=filler)
