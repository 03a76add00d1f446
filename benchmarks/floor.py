"""A lower bound on the time of a training step: only the model's matrix products and exponentials, in few calls.

Steps do not depend on each other, and nothing is stored or accumulated. The backward pass counts as two products for
each product of the forward pass.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.shapes import Shape


def lstm(rows: int, inputs: int, hidden: int) -> Callable[[], None]:
    """The products and activations of an LSTM for `rows` = examples x steps."""
    x, w = torch.randn(rows, inputs + hidden), torch.randn(inputs + hidden, 4 * hidden)
    gates = torch.randn(rows, 4 * hidden)

    def work() -> None:
        x @ w
        gates @ w.T
        x.T @ gates
        gates.sigmoid()
        gates[:, :hidden].tanh()

    return work


def linear(rows: int, inputs: int, outputs: int) -> Callable[[], None]:
    """The products of a linear layer."""
    x, w, y = torch.randn(rows, inputs), torch.randn(inputs, outputs), torch.randn(rows, outputs)

    def work() -> None:
        x @ w
        y @ w.T
        x.T @ y

    return work


def context(shape: Shape, memory: int) -> Callable[[], None]:
    """The context vectors, weights times memory, and both gradients."""
    weights, values = (
        torch.randn(shape.batch, shape.target, shape.source),
        torch.randn(shape.batch, shape.source, memory),
    )
    found = weights @ values

    def work() -> None:
        torch.bmm(weights, values)
        torch.bmm(found, values.transpose(1, 2))
        torch.bmm(weights.transpose(1, 2), found)

    return work


def elementwise(function: Callable[[Tensor], Tensor], count: int) -> Callable[[], None]:
    """An elementwise function of `count` numbers, in pieces that fit the cache."""
    x = torch.randn(min(count, 1 << 16))

    def work() -> None:
        for _ in range(-(-count // len(x))):
            function(x)

    return work


def training(family: str, shape: Shape) -> Callable[[], None]:
    """The lower bound of a training step."""
    size, symbols, hidden = shape.batch, shape.symbols, shape.hidden
    target, source = size * shape.target, size * shape.source
    if family == "gmm":
        parts = [
            lstm(target, 2 * symbols, hidden),
            linear(target, symbols + hidden, 9),
            elementwise(torch.exp, target * shape.source * 3),
            context(shape, symbols),
        ]
    elif family == "plain":
        parts = [lstm(source, symbols, hidden), lstm(target, symbols, hidden)]
    else:
        fed = 3 * hidden if family == "attend_before" else 2 * hidden
        parts = [
            lstm(source, hidden, hidden),
            lstm(source, hidden, hidden),
            linear(source, 2 * hidden, hidden),
            linear(target, hidden, hidden),
            elementwise(torch.tanh, target * shape.source * hidden),
            elementwise(lambda x: x * x, 3 * target * shape.source * hidden),
            context(shape, 2 * hidden),
            lstm(target, fed, hidden),
        ]
        if family != "attend_before":
            parts.append(linear(target, 3 * hidden, hidden))
    parts.append(linear(target, hidden, symbols))

    def step() -> None:
        with torch.inference_mode():
            for part in parts:
                part()

    return step
