"""A linear recurrence over source positions, computed in parallel. Hillis & Steele 1986."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def linear_recurrence(decay: Tensor, value: Tensor) -> Tensor:
    """x_j = decay_j x_{j-1} + value_j along the last axis, x_{-1} = 0.

    A parallel scan (Hillis & Steele 1986) of log2 S rounds of products and sums, without quotients or logarithms. For
    decays in [0, 1] and values >= 0 it is accurate at any length. The common form, a cumulative sum of quotients by
    clamped cumulative products, is not.
    """
    result: Tensor = _LinearRecurrence.apply(decay, value)  # type: ignore[no-untyped-call]
    return result


class _LinearRecurrence(torch.autograd.Function):
    """The backward pass is the same recurrence in reverse, so the rounds of the scan are not saved."""

    @staticmethod
    def forward(ctx: Any, decay: Tensor, value: Tensor) -> Tensor:
        x = _scan(decay, value)
        ctx.save_for_backward(decay, x)
        return x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        decay, x = ctx.saved_tensors
        next_decay = F.pad(decay[..., 1:], (0, 1))
        value_grad = linear_recurrence(next_decay.flip(-1), grad.flip(-1)).flip(-1)
        return value_grad * F.pad(x[..., :-1], (1, 0)), value_grad


def _scan(decay: Tensor, value: Tensor) -> Tensor:
    step = 1
    while step < value.shape[-1]:
        value = torch.cat([value[..., :step], value[..., step:] + decay[..., step:] * value[..., :-step]], -1)
        decay = torch.cat([decay[..., :step], decay[..., step:] * decay[..., :-step]], -1)
        step *= 2
    return value.clone() if step == 1 else value
