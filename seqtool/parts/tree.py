"""Trees of tensors: what `fixed` and `state` are.

A tree is a tensor `[B, ...]`, or a tuple or NamedTuple of trees; `None` and `()` hold nothing. The core moves rows of
trees and knows nothing else about them.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from seqtool.errors import PartError

Tree: TypeAlias = Any
"""A tensor `[B, ...]`, or a tuple or NamedTuple of trees. Parts annotate their own NamedTuples in its place."""

T = TypeVar("T")


def map(function: Callable[..., Tensor], tree: T, *others: T) -> T:
    """The tree of `function(leaf, ...)` over the leaves of one or several trees of the same structure.

    Raises:
        PartError: something in a tree is neither a tensor nor a tuple, or the trees differ in structure.
    """
    if isinstance(tree, tuple):
        _require_same(tree, others)
        parts = [
            function(*same) if type(same[0]) is Tensor else map(function, *same)
            for same in zip(tree, *others, strict=True)
        ]
        return tuple(parts) if type(tree) is tuple else tree._make(parts)  # type: ignore[return-value, attr-defined]
    if tree is None:
        return tree
    _require_tensor(tree)
    return function(tree, *others)  # type: ignore[return-value]


def leaves(tree: Tree) -> list[Tensor]:
    """All tensors of a tree, in order."""
    if isinstance(tree, tuple):
        return [leaf for part in tree for leaf in ((part,) if type(part) is Tensor else leaves(part))]
    if tree is None:
        return []
    _require_tensor(tree)
    return [tree]


def rebuild(tree: T, tensors: list[Tensor]) -> T:
    """The tree of the same structure with other leaves: `rebuild(tree, leaves(tree))` equals `tree`."""
    remaining = iter(tensors)
    return map(lambda _: next(remaining), tree)


def vectors(tree: Tree) -> list[Tensor]:
    """All leaves, each flattened behind B: `[B, size]`."""
    return [leaf if leaf.dim() == 2 else leaf.reshape(len(leaf), -1) for leaf in leaves(tree)]


def select_rows(tree: T, rows: Tensor) -> T:
    """The rows that `rows` picks, by index `[R]` or by a bool mask `[B]`."""
    return map(lambda leaf: leaf[rows], tree)


def repeat_rows(tree: T, times: int) -> T:
    """Each row `times` times, one after the other: `[B, ...]` -> `[B * times, ...]`."""
    return map(lambda leaf: leaf.repeat_interleave(times, 0), tree)


def where_real(real: Tensor, new: T, old: T) -> T:
    """`new` in rows where `real [B, 1]` is True, `old` elsewhere.

    Where a leaf has grown, the old one is followed by zeros.
    """
    if isinstance(new, tuple):
        if type(old) is not type(new) or len(old) != len(new):  # type: ignore[arg-type]
            _require_same(new, (old,))
        parts = [
            _where(real, after, before) if type(after) is Tensor else where_real(real, after, before)
            for after, before in zip(new, old, strict=True)  # type: ignore[call-overload]
        ]
        return tuple(parts) if type(new) is tuple else new._make(parts)  # type: ignore[return-value, attr-defined]
    return map(partial(_where, real), new, old)


def fold(tree: T) -> T:
    """N heads as rows of the batch: `[B, N, ...]` -> `[B * N, ...]`."""
    return map(lambda leaf: leaf.flatten(0, 1), tree)


def unfold(tree: T, num_heads: int) -> T:
    """The inverse of `fold`: `[B * N, ...]` -> `[B, N, ...]`."""
    return map(lambda leaf: leaf.unflatten(0, (-1, num_heads)), tree)


def _where(real: Tensor, new: Tensor, old: Tensor) -> Tensor:
    if new.numel() != old.numel():
        added = [after - before for after, before in zip(new.shape, old.shape, strict=True)]
        old = F.pad(old, [size for count in reversed(added) for size in (0, count)])
    if new.dim() != 2:
        real = real.reshape(-1, *[1] * (new.dim() - 1))
    return torch.where(real, new, old)


def _require_tensor(leaf: Any) -> None:
    if not isinstance(leaf, Tensor):
        words = "fixed and state are trees: a tensor, or a tuple or NamedTuple of trees"
        raise PartError(f"{words}; got {type(leaf).__name__}")


def _require_same(tree: tuple[Any, ...], others: tuple[Any, ...]) -> None:
    for other in others:
        if type(other) is not type(tree) or len(other) != len(tree):
            raise PartError(f"a state keeps its structure: {_words(tree)} became {_words(other)}")


def _words(tree: Any) -> str:
    size = f" of {len(tree)}" if isinstance(tree, tuple) else ""
    return f"{type(tree).__name__}{size}"
