"""The elementwise part of an LSTM or GRU step, after its matrix products: one kernel forward, one backward.

`gates [B, 4 H]` contains the pre-activations, which the forward kernels replace by what the backward kernels need;
those write the gradients of the pre-activations to `sums`. An LSTM has i, f, g, o; a GRU has r, z, the
input's part of n, and the hidden part of n.
"""

import triton
import triton.language as tl
from torch import Tensor

from seqtool_triton.attend_step import tanh

BLOCK = 512


@triton.jit
def _sigmoid(x):
    return 0.5 + 0.5 * tanh(0.5 * x)


@triton.jit
def _lstm_forward(gates, before, after, output, before_row, after_row, output_row, size, count, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    row, col, inside = (at // size).to(tl.int64), at % size, at < count
    to = gates + row * 4 * size + col
    i = _sigmoid(tl.load(to, mask=inside, other=0.0))
    f = _sigmoid(tl.load(to + size, mask=inside, other=0.0))
    g = tanh(tl.load(to + 2 * size, mask=inside, other=0.0))
    o = _sigmoid(tl.load(to + 3 * size, mask=inside, other=0.0))
    c = f * tl.load(before + row * before_row + col, mask=inside, other=0.0) + i * g
    tl.store(to, i, mask=inside)
    tl.store(to + size, f, mask=inside)
    tl.store(to + 2 * size, g, mask=inside)
    tl.store(to + 3 * size, o, mask=inside)
    tl.store(after + row * after_row + col, c, mask=inside)
    tl.store(output + row * output_row + col, o * tanh(c), mask=inside)


@triton.jit
def _lstm_backward(
    gates, before, after, of_output, of_after, of_before, sums,
    before_row, after_row, of_output_row, of_after_row, of_before_row, size, count, BLOCK: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    row, col, inside = (at // size).to(tl.int64), at % size, at < count
    where = row * 4 * size + col
    i = tl.load(gates + where, mask=inside, other=0.0)
    f = tl.load(gates + where + size, mask=inside, other=0.0)
    g = tl.load(gates + where + 2 * size, mask=inside, other=0.0)
    o = tl.load(gates + where + 3 * size, mask=inside, other=0.0)
    c_before = tl.load(before + row * before_row + col, mask=inside, other=0.0)
    c = tanh(tl.load(after + row * after_row + col, mask=inside, other=0.0))
    of_h = tl.load(of_output + row * of_output_row + col, mask=inside, other=0.0)
    of_c = tl.load(of_after + row * of_after_row + col, mask=inside, other=0.0) + of_h * o * (1.0 - c * c)
    tl.store(sums + where, of_c * g * i * (1.0 - i), mask=inside)
    tl.store(sums + where + size, of_c * c_before * f * (1.0 - f), mask=inside)
    tl.store(sums + where + 2 * size, of_c * i * (1.0 - g * g), mask=inside)
    tl.store(sums + where + 3 * size, of_h * c * o * (1.0 - o), mask=inside)
    to = of_before + row * of_before_row + col
    tl.store(to, tl.load(to, mask=inside, other=0.0) + of_c * f, mask=inside)


@triton.jit
def _gru_forward(gates, before, after, output, before_row, after_row, output_row, size, count, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    row, col, inside = (at // size).to(tl.int64), at % size, at < count
    to = gates + row * 4 * size + col
    r = _sigmoid(tl.load(to, mask=inside, other=0.0))
    z = _sigmoid(tl.load(to + size, mask=inside, other=0.0))
    hidden = tl.load(to + 3 * size, mask=inside, other=0.0)
    n = tanh(tl.load(to + 2 * size, mask=inside, other=0.0) + r * hidden)
    h = tl.load(before + row * before_row + col, mask=inside, other=0.0)
    tl.store(to, r, mask=inside)
    tl.store(to + size, z, mask=inside)
    tl.store(to + 2 * size, n, mask=inside)
    tl.store(output + row * output_row + col, n + z * (h - n), mask=inside)


@triton.jit
def _gru_backward(
    gates, before, after, of_output, of_after, of_before, sums,
    before_row, after_row, of_output_row, of_after_row, of_before_row, size, count, BLOCK: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    row, col, inside = (at // size).to(tl.int64), at % size, at < count
    where = row * 4 * size + col
    r = tl.load(gates + where, mask=inside, other=0.0)
    z = tl.load(gates + where + size, mask=inside, other=0.0)
    n = tl.load(gates + where + 2 * size, mask=inside, other=0.0)
    hidden = tl.load(gates + where + 3 * size, mask=inside, other=0.0)
    h = tl.load(before + row * before_row + col, mask=inside, other=0.0)
    of_h = tl.load(of_output + row * of_output_row + col, mask=inside, other=0.0)
    of_n = of_h * (1.0 - z) * (1.0 - n * n)
    tl.store(sums + where, of_n * hidden * r * (1.0 - r), mask=inside)
    tl.store(sums + where + size, of_h * (h - n) * z * (1.0 - z), mask=inside)
    tl.store(sums + where + 2 * size, of_n, mask=inside)
    tl.store(sums + where + 3 * size, of_n * r, mask=inside)
    to = of_before + row * of_before_row + col
    tl.store(to, tl.load(to, mask=inside, other=0.0) + of_h * z, mask=inside)


_KERNELS = {"lstm": (_lstm_forward, _lstm_backward), "gru": (_gru_forward, _gru_backward)}


def cell_forward(kind: str, gates: Tensor, before: Tensor, after: Tensor, output: Tensor) -> None:
    """From the pre-activations in `gates` and the carried state `before [B, H]`, write the state `after`, and h."""
    count = output.numel()
    _KERNELS[kind][0][(triton.cdiv(count, BLOCK),)](
        gates, before, after, output, before.stride(0), after.stride(0), output.stride(0),
        output.shape[1], count, BLOCK=BLOCK, num_warps=4,
    )  # fmt: skip


def cell_backward(
    kind: str,
    gates: Tensor,
    before: Tensor,
    after: Tensor,
    of_output: Tensor,
    of_after: Tensor,
    of_before: Tensor,
    sums: Tensor,
) -> None:
    """Write the gradients of the pre-activations, `sums [B, 4 H]`; add what bypasses the gates to `of_before`."""
    count = of_output.numel()
    _KERNELS[kind][1][(triton.cdiv(count, BLOCK),)](
        gates, before, after, of_output, of_after, of_before, sums,
        before.stride(0), after.stride(0), of_output.stride(0), of_after.stride(0), of_before.stride(0),
        of_output.shape[1], count, BLOCK=BLOCK, num_warps=4,
    )  # fmt: skip
