"""v . tanh(query + keys) for every pair of steps, without a `[B, T, S, H]` tensor where that would be large."""

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

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
    per_step = keys.numel()
    if query.shape[1] * per_step <= LARGEST:
        return _compare(query, keys, vector, features, feature_map)
    parts = [
        checkpoint(_compare, some, keys, vector, features, feature_map, use_reentrant=False, preserve_rng_state=False)
        for some in query.split(max(1, LARGEST // per_step), 1)
    ]
    return torch.cat(parts, 1)


def _compare(
    query: Tensor, keys: Tensor, vector: Tensor, features: Tensor | None, feature_map: Tensor | None
) -> Tensor:
    if features is not None and feature_map is not None:
        keys = keys + F.linear(features, feature_map)
    return F.linear(torch.tanh(query.unsqueeze(2) + keys.unsqueeze(1)), vector.unsqueeze(0)).squeeze(3)
