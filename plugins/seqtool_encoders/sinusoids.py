"""Sinusoidal position embeddings. Vaswani et al. 2017, arXiv 1706.03762, section 3.5."""

import math

import torch
from torch import Tensor

from seqtool.api import position_dtype


def sinusoids(like: Tensor) -> Tensor:
    """`like [B, S, D]` -> `[S, D]`: columns 2i and 2i + 1 are sin and cos of j / 10000^(2i / D), j from 0.

    Angles are computed in float32 or wider; the result has the dtype of `like`.
    """
    _, length, size = like.shape
    dtype = position_dtype(like)
    position = torch.arange(length, device=like.device, dtype=dtype)
    even = torch.arange(0, size, 2, device=like.device, dtype=dtype)
    angle = position[:, None] * torch.exp(even * (-math.log(10000) / size))
    return torch.stack([angle.sin(), angle.cos()], 2).flatten(1)[:, :size].to(like.dtype)
