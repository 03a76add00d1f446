"""Softmax inside a window around a position. Luong et al. 2015, arXiv 1508.04025, section 3.2."""

import torch
from torch import Tensor


def positions(count: int, like: Tensor) -> Tensor:
    """1, 2, ..., count, with the dtype and device of `like`."""
    return torch.arange(1, count + 1, dtype=like.dtype, device=like.device)


def windowed_softmax(scores: Tensor, centre: Tensor, half_width: int) -> Tensor:
    """Softmax over the positions within `half_width` of `centre [B, T, 1]`, zero elsewhere: `[B, T, S]`.

    The dtype of `centre` must represent positions exactly: int64, float32 or wider.
    """
    outside = (positions(scores.shape[2], centre) - centre).abs() > half_width
    return scores.masked_fill(outside, torch.finfo(scores.dtype).min).softmax(-1)
