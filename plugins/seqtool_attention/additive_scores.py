"""v . tanh(query + keys) for every pair of steps, in blocks where a `[B, T, S, H]` tensor would be large."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

MAX_SAVED_ACTIVATIONS = 2**20
"""The largest number of tanh values saved for the backward pass; above it, the backward pass recomputes them."""


def additive_scores(
    query: Tensor, keys: Tensor, vector: Tensor, features: Tensor | None = None, feature_map: Tensor | None = None
) -> Tensor:
    """v . tanh(q_i + k_j + U f_j): `query [B, T, H]`, `keys [B, S, H]`, `vector [H]` -> `[B, T, S]`.

    `features [B, S, C]` and their map U `[H, C]` are optional inputs that change with every step. Above
    `MAX_SAVED_ACTIVATIONS` tanh values, blocks of target steps are computed one after the other and only the arguments
    are saved. The memory is then that of a few tensors of `max(MAX_SAVED_ACTIVATIONS, B S H)` elements for any T.
    """
    if query.shape[1] * keys.numel() > MAX_SAVED_ACTIVATIONS:
        # under autocast, all in the dtype of the linear maps
        rest = [None if x is None else x.to(query.dtype) for x in (vector, features, feature_map)]
        result: Tensor = _RecomputedScores.apply(query, keys.to(query.dtype), *rest)  # type: ignore[no-untyped-call]
        return result
    hidden = torch.tanh(query.unsqueeze(2) + _add_features(keys, features, feature_map).unsqueeze(1))
    return F.linear(hidden, vector.unsqueeze(0)).squeeze(3)


def _add_features(keys: Tensor, features: Tensor | None, feature_map: Tensor | None) -> Tensor:
    return keys if features is None or feature_map is None else keys + F.linear(features, feature_map)


def _hidden_blocks(query: Tensor, keys: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Blocks of target steps and their tanh values `[B, block, S, H]`, about `MAX_SAVED_ACTIVATIONS` in each.

    All blocks use one buffer. The caller should allocate no small tensors that outlive a block: they would fragment
    the allocator's memory.
    """
    steps, block = query.shape[1], max(1, MAX_SAVED_ACTIVATIONS // max(1, keys.numel()))
    buffer = keys.new_empty(len(keys), min(block, steps), *keys.shape[1:])
    for first in range(0, steps, block):
        rows = slice(first, min(first + block, steps))
        out = buffer[:, : rows.stop - first]
        yield rows, torch.add(query[:, rows].unsqueeze(2), keys.unsqueeze(1), out=out).tanh_()


class _RecomputedScores(torch.autograd.Function):
    """The same scores; the backward pass recomputes tanh, whose derivative is 1 - tanh^2."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, keys: Tensor, vector: Tensor, features: Tensor | None, feature_map: Tensor | None
    ) -> Tensor:
        ctx.save_for_backward(query, keys, vector, features, feature_map)
        scores = query.new_empty(*query.shape[:2], keys.shape[1])
        for rows, hidden in _hidden_blocks(query, _add_features(keys, features, feature_map)):
            scores[:, rows] = hidden @ vector
        return scores

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, keys, vector, features, feature_map = ctx.saved_tensors
        query_grad, keys_grad, vector_grad = (torch.zeros_like(x) for x in (query, keys, vector))
        for rows, hidden in _hidden_blocks(query, _add_features(keys, features, feature_map)):
            block_grad = grad[:, rows]
            vector_grad += block_grad.reshape(-1) @ hidden.flatten(0, 2)
            hidden.mul_(hidden).sub_(1).mul_(block_grad.unsqueeze(3))
            query_grad[:, rows] = hidden.sum(2)
            keys_grad -= hidden.sum(1)
        query_grad *= -vector
        keys_grad *= vector
        features_grad, map_grad = None, None
        if features is not None:
            features_grad, map_grad = keys_grad @ feature_map, torch.einsum("bsh,bsc->hc", keys_grad, features)
        return query_grad, keys_grad, vector_grad, features_grad, map_grad
