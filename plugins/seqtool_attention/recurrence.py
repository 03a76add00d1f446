"""A linear recurrence along the source, all positions at once."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def linear_recurrence(decay: Tensor, value: Tensor) -> Tensor:
    """x_j = decay_j x_{j-1} + value_j along the last axis, x_{-1} = 0.

    Doubling (Hillis & Steele 1986): log2 S rounds of products and sums, nothing is divided and no logarithm taken.
    So for decays in [0, 1] and values >= 0 every digit stays right however long the source is; the textbook form,
    a cumulative sum over quotients of clamped cumulative products, is not.
    """
    result: Tensor = _LinearRecurrence.apply(decay, value)  # type: ignore[no-untyped-call]
    return result


class _LinearRecurrence(torch.autograd.Function):
    """The gradient of a recurrence is one too, from the end to the beginning; no round is kept for it."""

    @staticmethod
    def forward(ctx: Any, decay: Tensor, value: Tensor) -> Tensor:
        x = _solve(decay, value)
        ctx.save_for_backward(decay, x)
        return x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        decay, x = ctx.saved_tensors
        following = F.pad(decay[..., 1:], (0, 1))
        of_value = linear_recurrence(following.flip(-1), grad.flip(-1)).flip(-1)
        return of_value * F.pad(x[..., :-1], (1, 0)), of_value


def _solve(decay: Tensor, value: Tensor) -> Tensor:
    step = 1
    while step < value.shape[-1]:
        value = torch.cat([value[..., :step], value[..., step:] + decay[..., step:] * value[..., :-step]], -1)
        decay = torch.cat([decay[..., :step], decay[..., step:] * decay[..., :-step]], -1)
        step *= 2
    return value.clone() if step == 1 else value
