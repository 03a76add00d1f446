"""v . tanh(query + keys) for every pair of steps, without a `[B, T, S, H]` tensor where that would be large."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

LARGEST = 2**20
"""How many numbers of tanh may be kept for the backward pass; above it, they are computed again there."""


def compare(
    query: Tensor, keys: Tensor, vector: Tensor, features: Tensor | None = None, feature_map: Tensor | None = None
) -> Tensor:
    """v . tanh(q_i + k_j + U f_j): `query [B, T, H]`, `keys [B, S, H]`, `vector [H]` -> `[B, T, S]`.

    `features [B, S, C]` and their map U `[H, C]` are for what changes with every step. Where tanh would hold more
    than `LARGEST` numbers, target steps are taken some at a time and nothing but the arguments is kept: beside
    them, memory is that of a few tensors of `max(LARGEST, B S H)` numbers, however many steps there are.
    """
    if query.shape[1] * keys.numel() > LARGEST:
        # a mixed precision's smaller type, where the maps gave one
        rest = [None if x is None else x.to(query.dtype) for x in (vector, features, feature_map)]
        result: Tensor = _Recomputed.apply(query, keys.to(query.dtype), *rest)  # type: ignore[no-untyped-call]
        return result
    compared = torch.tanh(query.unsqueeze(2) + _shifted(keys, features, feature_map).unsqueeze(1))
    return F.linear(compared, vector.unsqueeze(0)).squeeze(3)


def _shifted(keys: Tensor, features: Tensor | None, feature_map: Tensor | None) -> Tensor:
    return keys if features is None or feature_map is None else keys + F.linear(features, feature_map)


def _some_at_a_time(query: Tensor, keys: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Target steps, as many at once as make up about `LARGEST` numbers, and their tanh, always in the same room.

    Whoever goes through them should allocate nothing that lasts: between blocks as large as these, small ones that
    stay would leave gaps that no later block fits into.
    """
    steps, count = query.shape[1], max(1, LARGEST // max(1, keys.numel()))
    room = keys.new_empty(len(keys), min(count, steps), *keys.shape[1:])
    for first in range(0, steps, count):
        these = slice(first, min(first + count, steps))
        part = room[:, : these.stop - first]
        yield these, torch.add(query[:, these].unsqueeze(2), keys.unsqueeze(1), out=part).tanh_()


class _Recomputed(torch.autograd.Function):
    """The same numbers, tanh computed once more in the backward pass; its derivative is 1 - tanh^2."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, keys: Tensor, vector: Tensor, features: Tensor | None, feature_map: Tensor | None
    ) -> Tensor:
        ctx.save_for_backward(query, keys, vector, features, feature_map)
        scores = query.new_empty(*query.shape[:2], keys.shape[1])
        for these, compared in _some_at_a_time(query, _shifted(keys, features, feature_map)):
            scores[:, these] = compared @ vector
        return scores

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, keys, vector, features, feature_map = ctx.saved_tensors
        of_query, of_keys, of_vector = (torch.zeros_like(x) for x in (query, keys, vector))
        for these, compared in _some_at_a_time(query, _shifted(keys, features, feature_map)):
            some = grad[:, these]
            of_vector += some.reshape(-1) @ compared.flatten(0, 2)
            compared.mul_(compared).sub_(1).mul_(some.unsqueeze(3))
            of_query[:, these] = compared.sum(2)
            of_keys -= compared.sum(1)
        of_query *= -vector
        of_keys *= vector
        of_features, of_map = None, None
        if features is not None:
            of_features, of_map = of_keys @ feature_map, torch.einsum("bsh,bsc->hc", of_keys, features)
        return of_query, of_keys, of_vector, of_features, of_map
