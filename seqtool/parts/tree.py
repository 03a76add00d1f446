"""Trees of tensors, the type of `fixed` and `state`.

A tree is a tensor `[B, ...]`, or a tuple or NamedTuple of trees; `()` is the empty tree. The core selects and
repeats rows of trees, and makes no other assumption about them.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from seqtool.errors import PartError

Tree: TypeAlias = Any
"""A tensor `[B, ...]`, or a tuple or NamedTuple of trees. Parts annotate their own NamedTuples instead."""

T = TypeVar("T")


def map(function: Callable[..., Tensor], tree: T, *others: T) -> T:
    """Apply `function(leaf, ...)` to the leaves of one or several trees of the same structure.

    Raises:
        PartError: a tree contains something other than tensors and tuples, or the trees differ in structure.
    """
    if isinstance(tree, tuple):
        for other in others:
            if type(other) is not type(tree) or len(other) != len(tree):  # type: ignore[arg-type]
                raise _differing(tree, other)
        parts = [map(function, *same) for same in zip(tree, *others, strict=True)]
        return tuple(parts) if type(tree) is tuple else tree._make(parts)  # type: ignore[return-value, attr-defined]
    if not isinstance(tree, Tensor):
        raise _not_a_tree(tree)
    for other in others:
        if not isinstance(other, Tensor):
            raise _differing(tree, other) if isinstance(other, tuple) else _not_a_tree(other)
    return function(tree, *others)  # type: ignore[return-value]


def leaves(tree: Tree) -> list[Tensor]:
    """All tensors of a tree, in order."""
    if isinstance(tree, tuple):
        return [leaf for part in tree for leaf in ((part,) if type(part) is Tensor else leaves(part))]
    if not isinstance(tree, Tensor):
        raise _not_a_tree(tree)
    return [tree]


def rebuild(tree: T, tensors: list[Tensor]) -> T:
    """A tree of the same structure with other leaves: `rebuild(tree, leaves(tree))` equals `tree`."""
    remaining = iter(tensors)
    return map(lambda _: next(remaining), tree)


def vectors(tree: Tree) -> list[Tensor]:
    """All leaves, each flattened to `[B, size]`."""
    return [leaf if leaf.dim() == 2 else leaf.reshape(len(leaf), -1) for leaf in leaves(tree)]


def select_rows(tree: T, rows: Tensor) -> T:
    """The rows selected by indices `rows [R]` or by a bool mask `rows [B]`."""
    return map(lambda leaf: leaf[rows], tree)


def repeat_rows(tree: T, times: int) -> T:
    """Repeat each row `times` times, copies adjacent: `[B, ...]` -> `[B * times, ...]`."""
    return map(lambda leaf: leaf.repeat_interleave(times, 0), tree)


def where_real(real: Tensor, new: T, old: T) -> T:
    """`new` in rows where `real [B, 1]` is True, `old` elsewhere.

    If a leaf has grown, the old leaf is padded with zeros at the end.

    Raises:
        PartError: as `map`.
    """
    return map(partial(_where, real), old, new)


def fold(tree: T) -> T:
    """Fold N heads into the batch: `[B, N, ...]` -> `[B * N, ...]`."""
    return map(lambda leaf: leaf.flatten(0, 1), tree)


def unfold(tree: T, num_heads: int) -> T:
    """The inverse of `fold`: `[B * N, ...]` -> `[B, N, ...]`."""
    return map(lambda leaf: leaf.unflatten(0, (-1, num_heads)), tree)


def _where(real: Tensor, old: Tensor, new: Tensor) -> Tensor:
    if new.numel() != old.numel():
        added = [after - before for after, before in zip(new.shape, old.shape, strict=True)]
        old = F.pad(old, [size for count in reversed(added) for size in (0, count)])
    if new.dim() != 2:
        real = real.reshape(-1, *[1] * (new.dim() - 1))
    return torch.where(real, new, old)


def _not_a_tree(found: Any) -> PartError:
    message = "fixed and state must be trees: a tensor, or a tuple or NamedTuple of trees"
    return PartError(f"{message}; got {type(found).__name__}")


def _differing(tree: Any, other: Any) -> PartError:
    return PartError(f"the structure of a state must not change: {_structure(tree)} became {_structure(other)}")


def _structure(tree: Any) -> str:
    size = f" of {len(tree)}" if isinstance(tree, tuple) else ""
    return f"{type(tree).__name__}{size}"
