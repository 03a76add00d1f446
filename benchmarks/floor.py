"""A lower bound: a model's matrix products and exponentials alone, each in as few calls as can be.

No step waits for another, nothing is stored for a gradient, nothing is added up; the backward pass counts as two
products for each of the forward pass. A step cannot take less time with the same products on the same machine.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.shapes import Shape


def lstm(rows: int, inputs: int, hidden: int) -> Callable[[], None]:
    """An LSTM's products and activations for so many examples times steps."""
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
    """A linear map's products."""
    x, w, y = torch.randn(rows, inputs), torch.randn(inputs, outputs), torch.randn(rows, outputs)

    def work() -> None:
        x @ w
        y @ w.T
        x.T @ y

    return work


def context(shape: Shape, memory: int) -> Callable[[], None]:
    """Sums over the memory: weights times memory, and both gradients."""
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
    """A function of so many numbers, in pieces that stay in the cache."""
    x = torch.randn(min(count, 1 << 16))

    def work() -> None:
        for _ in range(-(-count // len(x))):
            function(x)

    return work


def training(family: str, shape: Shape) -> Callable[[], None]:
    """The floor of a training step."""
    size, symbols, hidden = shape.batch, shape.symbols, shape.hidden
    written, read = size * shape.target, size * shape.source
    if family == "gmm":
        parts = [
            lstm(written, 2 * symbols, hidden),
            linear(written, symbols + hidden, 9),
            elementwise(torch.exp, written * shape.source * 3),
            context(shape, symbols),
        ]
    elif family == "plain":
        parts = [lstm(read, symbols, hidden), lstm(written, symbols, hidden)]
    else:
        fed = 3 * hidden if family == "attend_before" else 2 * hidden
        parts = [
            lstm(read, hidden, hidden),
            lstm(read, hidden, hidden),
            linear(read, 2 * hidden, hidden),
            linear(written, hidden, hidden),
            elementwise(torch.tanh, written * shape.source * hidden),
            elementwise(lambda x: x * x, 3 * written * shape.source * hidden),
            context(shape, 2 * hidden),
            lstm(written, fed, hidden),
        ]
        if family != "attend_before":
            parts.append(linear(written, 3 * hidden, hidden))
    parts.append(linear(written, hidden, symbols))

    def step() -> None:
        with torch.inference_mode():
            for part in parts:
                part()

    return step
