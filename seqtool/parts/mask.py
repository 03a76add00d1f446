"""Masks: bool `[B, S]`, True = real, and a prefix of each row."""

import torch
from torch import Tensor


def lengths(mask: Tensor) -> Tensor:
    """The number of real positions of each row: `[B, S]` -> `[B]`, int64."""
    return mask.sum(1)


def known_full(mask: Tensor) -> bool:
    """True if all positions are real and the mask is on the CPU, so that no device synchronization is needed."""
    return mask.device.type == "cpu" and bool(mask.all())


def reverse_real(x: Tensor, mask: Tensor) -> Tensor:
    """Reverse the real part of each row of `x [B, S, F]`; padding stays at the end. Its own inverse."""
    if known_full(mask):
        return x.flip(1)
    position = torch.arange(x.shape[1], device=x.device)
    index = torch.where(mask, lengths(mask)[:, None] - 1 - position, position)
    return x.gather(1, index[:, :, None].expand_as(x))


def last_real(x: Tensor, mask: Tensor, initial: Tensor) -> Tensor:
    """The vector at the last real position of each row: `x [B, S, F]` -> `[B, F]`; `initial [B, F]` if none is real."""
    if known_full(mask) and x.shape[1]:
        return x[:, -1]
    length = lengths(mask)
    if not x.shape[1]:
        return initial
    index = (length - 1).clamp(min=0)[:, None, None].expand(-1, 1, x.shape[2])
    return torch.where((length > 0)[:, None], x.gather(1, index).squeeze(1), initial)
