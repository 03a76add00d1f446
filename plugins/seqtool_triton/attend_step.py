"""One attention step in one kernel: scores, masking, softmax and context, one query per row and step; its gradient.

Scores are additive, v . tanh(q + k), or products, scale q . k. One program computes one row and one target step, with
all source positions, so that softmax needs one pass. All tensors are float32.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

TILE = 8192
"""Elements `[positions, features]` per iteration of a program."""
WARPS = 8


@triton.jit
def tanh(x):
    """tanh without overflow; the absolute error is one rounding."""
    e = tl.exp(-2.0 * tl.abs(x))
    r = (1.0 - e) / (1.0 + e)
    return tl.where(x < 0, -r, r)


@triton.jit
def _forward(
    query, keys, values, mask, vector, rest, weights, context,
    query_row, query_step, rest_row, rest_step, weights_row, weights_step, context_row, context_step,
    scale, positions, size: tl.constexpr, memory_size: tl.constexpr,
    ADDITIVE: tl.constexpr, COMBINED: tl.constexpr, S_BLOCK: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    row, step = tl.program_id(0).to(tl.int64), tl.program_id(1).to(tl.int64)
    s = tl.arange(0, S_BLOCK)
    real = tl.load(mask + row * positions + s, mask=s < positions, other=0) != 0
    summed = tl.zeros([S_BLOCK, BLOCK], tl.float32)
    for first in range(0, size, BLOCK):
        a = first + tl.arange(0, BLOCK)
        q = tl.load(query + row * query_row + step * query_step + a, mask=a < size, other=0.0)
        inside = real[:, None] & (a < size)[None, :]
        k = tl.load(keys + (row * positions + s[:, None]) * size + a[None, :], mask=inside, other=0.0)
        if ADDITIVE:
            v = tl.load(vector + a, mask=a < size, other=0.0)
            summed += v[None, :] * tanh(q[None, :] + k)
        else:
            summed += q[None, :] * k
    scores = tl.where(real, tl.sum(summed, 1) * scale, -3.0e38)
    e = tl.where(real, tl.exp(scores - tl.max(scores, 0)), 0.0)
    total = tl.sum(e, 0)
    w = e / tl.where(total > 0, total, 1.0)
    tl.store(weights + row * weights_row + step * weights_step + s, w, mask=s < positions)
    for first in range(0, memory_size, BLOCK):
        m = first + tl.arange(0, BLOCK)
        inside = real[:, None] & (m < memory_size)[None, :]
        h = tl.load(values + (row * positions + s[:, None]) * memory_size + m[None, :], mask=inside, other=0.0)
        c = tl.sum(w[:, None] * h, 0)
        if COMBINED:
            c = tanh(c + tl.load(rest + row * rest_row + step * rest_step + m, mask=m < memory_size, other=0.0))
        tl.store(context + row * context_row + step * context_step + m, c, mask=m < memory_size)


@triton.jit
def _backward(
    of_context, of_weights, context, weights, query, keys, values, mask, vector, of_scores, of_query, of_rest,
    of_context_row, of_context_step, of_weights_row, of_weights_step, context_row, context_step,
    weights_row, weights_step, of_scores_row, of_scores_step,
    query_row, query_step, of_query_row, of_query_step, of_rest_row, of_rest_step,
    scale, positions, size: tl.constexpr, memory_size: tl.constexpr,
    ADDITIVE: tl.constexpr, COMBINED: tl.constexpr, WEIGHTED: tl.constexpr, ADD: tl.constexpr,
    S_BLOCK: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    row, step = tl.program_id(0).to(tl.int64), tl.program_id(1).to(tl.int64)
    s = tl.arange(0, S_BLOCK)
    real = tl.load(mask + row * positions + s, mask=s < positions, other=0) != 0
    summed = tl.zeros([S_BLOCK, BLOCK], tl.float32)
    for first in range(0, memory_size, BLOCK):
        m = first + tl.arange(0, BLOCK)
        inside = real[:, None] & (m < memory_size)[None, :]
        h = tl.load(values + (row * positions + s[:, None]) * memory_size + m[None, :], mask=inside, other=0.0)
        g = tl.load(of_context + row * of_context_row + step * of_context_step + m, mask=m < memory_size, other=0.0)
        if COMBINED:
            y = tl.load(context + row * context_row + step * context_step + m, mask=m < memory_size, other=0.0)
            g *= 1.0 - y * y
            tl.store(of_rest + row * of_rest_row + step * of_rest_step + m, g, mask=m < memory_size)
        summed += g[None, :] * h
    of_w = tl.sum(summed, 1)
    if WEIGHTED:
        of_w += tl.load(of_weights + row * of_weights_row + step * of_weights_step + s, mask=real, other=0.0)
    w = tl.load(weights + row * weights_row + step * weights_step + s, mask=real, other=0.0)
    of_e = w * (of_w - tl.sum(w * of_w, 0)) * scale
    tl.store(of_scores + row * of_scores_row + step * of_scores_step + s, of_e, mask=s < positions)
    for first in range(0, size, BLOCK):
        a = first + tl.arange(0, BLOCK)
        inside = real[:, None] & (a < size)[None, :]
        k = tl.load(keys + (row * positions + s[:, None]) * size + a[None, :], mask=inside, other=0.0)
        if ADDITIVE:
            q = tl.load(query + row * query_row + step * query_step + a, mask=a < size, other=0.0)
            v = tl.load(vector + a, mask=a < size, other=0.0)
            y = tanh(q[None, :] + k)
            found = v * tl.sum(of_e[:, None] * (1.0 - y * y), 0)
        else:
            found = tl.sum(of_e[:, None] * k, 0)
        to = of_query + row * of_query_row + step * of_query_step + a
        if ADD:
            found += tl.load(to, mask=a < size, other=0.0)
        tl.store(to, found, mask=a < size)


@triton.jit
def _additive_keys_backward(
    of_scores, query, keys, vector, of_keys, of_vectors,
    scores_row, scores_step, query_row, query_step, steps, positions, size,
    S_BLOCK: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    s, a = tl.program_id(1) * S_BLOCK + tl.arange(0, S_BLOCK), tl.program_id(2) * BLOCK + tl.arange(0, BLOCK)
    inside = (s < positions)[:, None] & (a < size)[None, :]
    at = (row * positions + s[:, None]) * size + a[None, :]
    k = tl.load(keys + at, mask=inside, other=0.0)
    v = tl.load(vector + a, mask=a < size, other=0.0)
    along = tl.zeros([S_BLOCK, BLOCK], tl.float32)
    across = tl.zeros([S_BLOCK, BLOCK], tl.float32)
    step = 0
    while step < steps:
        q = tl.load(query + row * query_row + step * query_step + a, mask=a < size, other=0.0)
        g = tl.load(of_scores + row * scores_row + step * scores_step + s, mask=s < positions, other=0.0)
        y = tanh(q[None, :] + k)
        along += g[:, None] * y
        across += g[:, None] * (1.0 - y * y)
        step += 1
    tl.store(of_keys + at, across * v[None, :], mask=inside)
    part = row * tl.num_programs(1) + tl.program_id(1)
    tl.store(of_vectors + part * size + a, tl.sum(along, 0), mask=a < size)


class Queries(NamedTuple):
    """The queries `query [B, T, A]`; with `rest [B, T, M]`, the result is tanh(context + rest)."""

    query: Tensor
    rest: Tensor | None = None


class Attended(NamedTuple):
    """The result of attention: `weights [B, T, S]` and `context [B, T, M]`."""

    weights: Tensor
    context: Tensor


@dataclass(frozen=True)
class Scores:
    """The scores, and the mask.

    Attributes:
        additive: whether scores are v . tanh(q + k) or scale q . k.
        scale: the factor of products; 1 if scores are additive.
        mask: `[B, S]`, contiguous, True = real.
    """

    additive: bool
    scale: float
    mask: Tensor

    def attend(self, asked: Queries, keys: Tensor, values: Tensor, vector: Tensor, seen: Attended) -> None:
        """Write `seen`. `keys [B, S, A]`, `values [B, S, M]` and `vector [A]` are contiguous."""
        rest = asked.query if asked.rest is None else asked.rest
        _forward[asked.query.shape[:2]](
            asked.query, keys, values, self._mask(), vector, rest, seen.weights, seen.context,
            *asked.query.stride()[:2], *rest.stride()[:2], *seen.weights.stride()[:2], *seen.context.stride()[:2],
            self.scale, keys.shape[1], keys.shape[2], values.shape[2],
            ADDITIVE=self.additive, COMBINED=asked.rest is not None, **_blocks(keys.shape[1]), num_warps=WARPS,
        )  # fmt: skip

    def backward(
        self,
        of_seen: Attended,
        of_weights: Tensor | None,
        seen: Attended,
        asked: Queries,
        keys: Tensor,
        values: Tensor,
        vector: Tensor,
        of_asked: Queries,
        *,
        add: bool = False,
    ) -> None:
        """Write or `add` to the gradients of `asked`, from those of the context, in `of_seen`, and of the weights.

        `of_seen.weights` receives the gradient of the scores, times `scale`.
        """
        given = seen.weights if of_weights is None else of_weights
        rest = of_asked.query if of_asked.rest is None else of_asked.rest
        _backward[asked.query.shape[:2]](
            of_seen.context, given, seen.context, seen.weights, asked.query, keys, values, self._mask(), vector,
            of_seen.weights, of_asked.query, rest,
            *of_seen.context.stride()[:2], *given.stride()[:2], *seen.context.stride()[:2],
            *seen.weights.stride()[:2], *of_seen.weights.stride()[:2],
            *asked.query.stride()[:2], *of_asked.query.stride()[:2], *rest.stride()[:2],
            self.scale, keys.shape[1], keys.shape[2], values.shape[2],
            ADDITIVE=self.additive, COMBINED=of_asked.rest is not None, WEIGHTED=of_weights is not None, ADD=add,
            **_blocks(keys.shape[1]), num_warps=WARPS,
        )  # fmt: skip

    def of_keys(self, of_scores: Tensor, query: Tensor, keys: Tensor, vector: Tensor) -> tuple[Tensor, Tensor | None]:
        """The gradients of keys `[B, S, A]` and vector `[A]`, summed over all steps, from the scores' gradients."""
        if not self.additive:
            return of_scores.transpose(1, 2) @ query, None
        rows, positions, size = keys.shape
        tile = {"S_BLOCK": 16, "BLOCK": 64}
        parts = triton.cdiv(positions, tile["S_BLOCK"])
        of_keys, of_vectors = torch.empty_like(keys), keys.new_empty(rows * parts, size)
        _additive_keys_backward[(rows, parts, triton.cdiv(size, tile["BLOCK"]))](
            of_scores, query, keys, vector, of_keys, of_vectors,
            *of_scores.stride()[:2], *query.stride()[:2], query.shape[1], positions, size, **tile, num_warps=4,
        )  # fmt: skip
        return of_keys, of_vectors.sum(0)

    def plain(self, asked: Queries, keys: Tensor, values: Tensor, vector: Tensor) -> Attended:
        """The same with torch's operations, which can be differentiated twice."""
        if self.additive:
            scores = torch.tanh(asked.query.unsqueeze(2) + keys.unsqueeze(1)) @ vector
        else:
            scores = asked.query @ keys.transpose(1, 2) * self.scale
        padding = ~self.mask.unsqueeze(1)
        weights = scores.masked_fill(padding, torch.finfo(scores.dtype).min).softmax(2).masked_fill(padding, 0)
        context = weights @ values
        return Attended(weights, context if asked.rest is None else torch.tanh(context + asked.rest))

    def _mask(self) -> Tensor:
        return self.mask.view(torch.uint8)


def _blocks(positions: int) -> dict[str, int]:
    block = max(16, triton.next_power_of_2(positions))
    return {"S_BLOCK": block, "BLOCK": min(128, TILE // block)}
