"""torch's optimizers with typed options. By default they use torch's fused kernels, also on the CPU."""

from collections.abc import Callable, Iterable
from typing import Any

import torch

from seqtool.api import ClippingOptimizer, NonNegative, PartError, Positive, Probability, accelerated


def step_of(optimizer: type[torch.optim.Optimizer]) -> Callable[..., Any]:
    """The `step` of a torch optimizer, with its hooks, as a method that kernels can replace.

    torch wraps the `step` of a class in hooks when it creates the first instance. A step marked `hooked` is not wrapped
    again.
    """
    step: Any = optimizer.step
    hooked = step if hasattr(step, "hooked") else torch.optim.Optimizer.profile_hook_step(step)
    vars(hooked)["hooked"] = True
    return accelerated(hooked)


class Adam(ClippingOptimizer, torch.optim.Adam):
    """Adam.

    Equation:
        m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  w = w - lr m^ / (sqrt(v^) + eps)

    Source: Kingma & Ba 2015, arXiv 1412.6980, algorithm 1.

    When to use: the default.

    Args:
        params: the parameters to train.
        lr: learning rate.
        betas: b1 and b2.
        eps: added to the denominator for numerical stability.
        weight_decay: the coefficient of an L2 penalty on the parameters.
        fused: whether to use torch's fused kernel; `clip_norm` in 16-mixed precision requires false.
    """

    captured = True
    step = step_of(torch.optim.Adam)
    zero_grad = accelerated(torch.optim.Adam.zero_grad)

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: NonNegative = 1e-3,
        betas: tuple[Probability, Probability] = (0.9, 0.999),
        eps: Positive = 1e-8,
        weight_decay: NonNegative = 0.0,
        fused: bool = True,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=fused)


class AdamW(ClippingOptimizer, torch.optim.AdamW):
    """Adam with decoupled weight decay.

    Equation:
        w = w - lr (m^ / (sqrt(v^) + eps) + weight_decay w)

    Source: Loshchilov & Hutter 2019, arXiv 1711.05101, algorithm 2.

    When to use: to regularize with weight decay.

    Args:
        params: the parameters to train.
        lr: learning rate.
        betas: b1 and b2.
        eps: added to the denominator for numerical stability.
        weight_decay: each step subtracts lr times this fraction of a parameter.
        fused: whether to use torch's fused kernel; `clip_norm` in 16-mixed precision requires false.
    """

    captured = True
    step = step_of(torch.optim.AdamW)
    zero_grad = accelerated(torch.optim.AdamW.zero_grad)

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: NonNegative = 1e-3,
        betas: tuple[Probability, Probability] = (0.9, 0.999),
        eps: Positive = 1e-8,
        weight_decay: NonNegative = 0.01,
        fused: bool = True,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=fused)


class SGD(ClippingOptimizer, torch.optim.SGD):
    """Stochastic gradient descent, with optional momentum.

    Equation:
        b = momentum b + g;  w = w - lr b

    Source: Robbins & Monro 1951; momentum: Sutskever et al. 2013, ICML.

    When to use: to reproduce older papers, with `momentum` and a schedule. The learning rate must be tuned for every
    task.

    Args:
        params: the parameters to train.
        lr: learning rate.
        momentum: the momentum factor.
        nesterov: whether to use Nesterov momentum.
        weight_decay: the coefficient of an L2 penalty on the parameters.
        fused: whether to use torch's fused kernel; `clip_norm` in 16-mixed precision requires false.
    """

    captured = True
    step = step_of(torch.optim.SGD)
    zero_grad = accelerated(torch.optim.SGD.zero_grad)

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: NonNegative = 1e-2,
        momentum: Probability = 0.0,
        nesterov: bool = False,
        weight_decay: NonNegative = 0.0,
        fused: bool = True,
    ) -> None:
        if nesterov and not momentum:
            raise PartError("nesterov needs a momentum above 0", option="nesterov")
        super().__init__(params, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay, fused=fused)
