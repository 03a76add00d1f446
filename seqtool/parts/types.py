"""Types that several contracts share."""

from typing import NamedTuple

import torch
from torch import Tensor

from seqtool.parts.tree import Tree


class Encoded(NamedTuple):
    """The result of an encoder.

    `memory [B, S, M]`, zero at padding; `mask [B, S]`, bool, True = real; `final`, a tree of the final states, `()` if
    there are none.
    """

    memory: Tensor
    mask: Tensor
    final: Tree


def position_dtype(like: Tensor) -> torch.dtype:
    """The dtype for positions: float32, or float64 if `like` is float64. bfloat16 cannot count beyond 256."""
    return torch.promote_types(like.dtype, torch.float32)
