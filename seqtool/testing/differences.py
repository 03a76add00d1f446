"""Compare tensors and parts, and describe the differences in words."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from seqtool.parts.tree import Tree, leaves

Outputs = dict[str, Tensor]
CONTAINERS = {name for name, value in vars(nn.Module()).items() if isinstance(value, Mapping)}
"""The attributes of a module that contain its parameters, buffers and submodules; they are omitted from paths."""


def named_leaves(tree: Tree, name: str) -> Outputs:
    """The leaves of a tree by their paths: `{"state.h": ..., "state.layers[0]": ...}`.

    Raises:
        PartError: it is not a tree.
    """
    if isinstance(tree, Tensor):
        return {name: tree}
    fields = getattr(tree, "_fields", None)
    found: Outputs = {}
    for place, part in enumerate(tree if isinstance(tree, tuple) else leaves(tree)):
        found |= named_leaves(part, f"{name}.{fields[place]}" if fields else f"{name}[{place}]")
    return found


def structure(tree: Tree) -> object:
    """The structure of a tree and the dtypes of its leaves, for comparison."""
    if isinstance(tree, tuple):
        return type(tree), tuple(structure(part) for part in tree)
    return tree.dtype if isinstance(tree, Tensor) else tree


def difference(first: Tensor, second: Tensor, *, exact: bool = False, tolerance: float = 1e-8) -> str | None:
    """Where two `[B, ...]` tensors differ, in words, or None. NaN differs from everything."""
    if first.shape != second.shape:
        return f"{list(first.shape)} and {list(second.shape)}"
    row = differing_row(first, second, exact=exact, tolerance=tolerance)
    if row is None:
        return None
    ours, theirs = (x.detach().double().reshape(x.shape[0] if x.dim() else 1, -1)[row] for x in (first, second))
    at = int((ours - theirs).abs().nan_to_num(torch.inf).argmax())
    return f"{ours[at]:.6g} and {theirs[at]:.6g} in row {row}"


def differing_row(first: Tensor, second: Tensor, *, exact: bool = False, tolerance: float = 1e-8) -> int | None:
    """The first row in which two tensors of the same shape differ, or None."""
    ours, theirs = first.detach(), second.detach()
    if exact or not ours.is_floating_point():
        same = ours == theirs
    else:
        same = torch.isclose(ours, theirs, rtol=tolerance, atol=tolerance)
    wrong = (~same.reshape(same.shape[0] if same.dim() else 1, -1)).any(1).nonzero()
    return int(wrong[0]) if len(wrong) else None


def common_part(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Both tensors cut to the smaller size along every axis: what remains when padding is added."""
    if first.dim() != second.dim():
        return first, second
    cut = tuple(slice(min(sizes)) for sizes in zip(first.shape, second.shape, strict=True))
    return first[cut], second[cut]


def relative_error(wanted: Tensor, found: Tensor, *, nonfinite: bool = False) -> float:
    """The largest difference relative to the largest absolute value of `wanted`; infinite for different integers.

    Args:
        nonfinite: whether equal infinities, and NaN in both, are accepted; otherwise they are infinite errors.
    """
    if not wanted.numel():
        return 0.0
    if not wanted.is_floating_point():
        return 0.0 if torch.equal(wanted, found.to(wanted.dtype)) else torch.inf
    theirs, ours = wanted.detach().double(), found.detach().double()
    same = (ours == theirs) | (ours.isnan() & theirs.isnan())
    if not nonfinite:
        same &= theirs.isfinite()
    scale = theirs.masked_fill(~theirs.isfinite(), 0).abs().max().clamp(min=1e-30)
    return float(((ours - theirs).masked_fill(same, 0).abs().max() / scale).nan_to_num(torch.inf))


def nonfinite_row(x: Tensor) -> int | None:
    """The first row that contains NaN or an infinity, or None."""
    wrong = (~torch.isfinite(x.detach())).reshape(x.shape[0] if x.dim() else 1, -1).any(1).nonzero()
    return int(wrong[0]) if len(wrong) else None


def is_prefix(mask: Tensor) -> bool:
    """Whether the real positions of every row of a mask come first."""
    return bool((mask[:, 1:] <= mask[:, :-1]).all())


def snapshot(part: object) -> dict[str, object]:
    """Everything that a part contains, by path: tensors by value, generators and other objects by identity."""
    found: dict[str, object] = {}
    _snapshot(part, "", found, set())
    return found


def changes(before: dict[str, object], after: dict[str, object]) -> list[str]:
    """The paths at which two snapshots differ."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def _snapshot(value: object, path: str, found: dict[str, object], seen: set[int]) -> None:
    if isinstance(value, Tensor):
        found[path] = (str(value.dtype), repr(value.detach().tolist()))
    elif isinstance(value, str | bytes | int | float | complex | None):
        found[path] = repr(value)
    elif id(value) in seen:
        return
    elif isinstance(value, Mapping):
        seen.add(id(value))
        for key, item in value.items():
            _snapshot(item, f"{path}.{key}" if path else str(key), found, seen)
    elif isinstance(value, list | tuple | set | frozenset):
        seen.add(id(value))
        found[path] = len(value)
        for index, item in enumerate(sorted(value, key=repr) if isinstance(value, set | frozenset) else value):
            _snapshot(item, f"{path}[{index}]", found, seen)
    elif isinstance(value, nn.Module) or not path:
        seen.add(id(value))
        for key, item in vars(value).items():
            inner = "" if key in CONTAINERS else key
            _snapshot(item, ".".join(step for step in (path, inner) if step), found, seen)
    else:
        found[path] = id(value)
