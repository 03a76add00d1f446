"""torch's overhead for a call with a gradient: `autograd.Function`, which the kernels use, or a custom operator."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.racing import Contestant, Race


def _added(x: Tensor, y: Tensor) -> Tensor:
    return x.detach() + y.detach()


class _Function(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(x, y)
        return _added(x, y)

    @staticmethod
    def backward(ctx: Any, of: Tensor) -> tuple[Tensor, Tensor]:
        return of.clone(), of.clone()


def _operator() -> Callable[[Tensor, Tensor], Tensor]:
    operator: Any = torch.library.custom_op("seqtool_benchmarks::added", _added, mutates_args=(), schema=None)
    operator.register_autograd(
        lambda ctx, of: (of.clone(), of.clone()),
        setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs),
    )
    return operator


def _step(make: Callable[[], Callable[[Tensor, Tensor], Tensor]]) -> Callable[[], None]:
    x, y, add = torch.randn(4, requires_grad=True), torch.randn(4, requires_grad=True), make()

    def step() -> None:
        torch.autograd.grad(add(x, y).sum(), (x, y))

    return step


def races() -> Iterator[Race]:
    """A sum of four numbers and its gradient, so that the call overhead dominates."""
    yield Race(
        "a call with its gradient",
        [
            Contestant("autograd.Function", partial(_step, lambda: _Function.apply)),
            Contestant("torch.library operator", partial(_step, _operator)),
        ],
    )
