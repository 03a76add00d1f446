"""The few types that all contracts share."""

from typing import NamedTuple

import torch
from torch import Tensor

from seqtool.parts.tree import Tree


class Encoded(NamedTuple):
    """What an encoder returns.

    `memory [B, S, M]`, zero at padding; `mask [B, S]`, bool, True = real;
    `final`: a tree of the last states, `()` for an encoder that has none.
    """

    memory: Tensor
    mask: Tensor
    final: Tree


def position_dtype(like: Tensor) -> torch.dtype:
    """The dtype of positions beside `like`: float32, or float64 for float64; bfloat16 cannot count beyond 256."""
    return torch.promote_types(like.dtype, torch.float32)
