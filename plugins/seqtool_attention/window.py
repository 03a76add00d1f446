"""Softmax inside a window around a position. Luong et al. 2015, arXiv 1508.04025, section 3.2."""

import torch
from torch import Tensor


def positions(count: int, like: Tensor) -> Tensor:
    """1, 2, ..., count."""
    return torch.arange(1, count + 1, dtype=like.dtype, device=like.device)


def softmax_inside(scores: Tensor, centre: Tensor, half_width: int) -> Tensor:
    """Softmax over positions at most `half_width` from `centre [B, T, 1]`, zero elsewhere.

    The dtype of `centre` must hold positions exactly: int64, or float32 at least.
    """
    outside = (positions(scores.shape[2], centre) - centre).abs() > half_width
    return scores.masked_fill(outside, torch.finfo(scores.dtype).min).softmax(-1)
