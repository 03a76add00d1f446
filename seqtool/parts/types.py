"""The few types that all contracts share."""

from typing import NamedTuple

from torch import Tensor

Tensors = tuple[Tensor, ...]
"""A flat tuple of `[B, ...]` tensors, so that a search can repeat or select its rows."""


class Encoded(NamedTuple):
    """What an encoder hands over.

    `memory [B, S, M]`, zero at padding; `mask [B, S]`, bool, True = real;
    `final`: the last states, each `[B, size]`, `()` for an encoder that has none.
    """

    memory: Tensor
    mask: Tensor
    final: Tensors
