"""The one of several accepted targets that is nearest to the prediction, by edit distance."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from rapidfuzz.distance import Levenshtein
from torch import Tensor

from seqtool.parts.batch import Batch
from seqtool.parts.task import Task

Targets = list[list[int]]
"""The targets that are right for one source, its own first; the end symbol included where the task has one."""


def accepted_targets(task: Task, batch: Batch) -> list[Targets]:
    """For each example of a batch on the CPU its target, and the others that are as right."""
    found = []
    for row in range(len(batch)):
        own = batch.target[row][batch.target_mask[row]].tolist()
        others = task.alternative_targets(batch.source[row][batch.source_mask[row]].tolist())
        found.append([own, *with_end_symbol(task, others)])
    return found


def with_end_symbol(task: Task, targets: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Targets with the task's end symbol."""
    end = [] if task.target_vocabulary.end is None else [task.target_vocabulary.end]
    yield from ([*target, *end] for target in targets)


def nearest_targets(task: Task, ids: Tensor, mask: Tensor, right: Sequence[Targets]) -> Targets:
    """For each example the right target that what was written, `[B, T]`, is nearest to; the first of equally near ones.

    Where nothing but a target says where it ends, what is written behind it does not count.
    """
    owner = [row for row, targets in enumerate(right) for _ in targets]
    flat = [target for targets in right for target in targets]
    if len(flat) == len(right):
        return flat
    length = np.array([len(target) for target in flat])
    gold = np.zeros((len(flat), max(length.max(), 1)), dtype=np.int64)
    gold[np.arange(gold.shape[1]) < length[:, None]] = [i for target in flat for i in target]
    gold[gold == task.target_vocabulary.unknown] = -1  # never right
    written = mask.sum(1).numpy()[owner]
    if task.ending == "fixed":
        written = np.minimum(written, length)
    edits = edit_distances(ids.numpy()[owner], written, gold, length)
    order = np.lexsort((edits, owner))
    _, first = np.unique(np.array(owner)[order], return_index=True)
    return [flat[i] for i in order[first]]


def replace_targets(batch: Batch, targets: Targets, width: int) -> Batch:
    """A batch with other targets, `width` wide; where a target is another one, nobody knows its alignment."""
    target, mask = pad_rows(targets, width)
    alignment = torch.full_like(target, -1)
    for row, own in enumerate(targets):
        if own == batch.target[row][batch.target_mask[row]].tolist():
            alignment[row, : len(own)] = batch.alignment[row, : len(own)]
    return Batch(batch.source, batch.source_mask, target, mask, alignment)


def pad_rows(rows: Sequence[Sequence[Any]], width: int = 0) -> tuple[Tensor, Tensor]:
    """`(ids [B, T], mask [B, T])` of rows of several lengths, at least `width` wide, 0 at padding.

    Of vectors `(ids [B, T, F], mask [B, T])`.
    """
    length = torch.tensor([len(row) for row in rows])
    mask = torch.arange(max(int(length.max()), width)) < length[:, None]
    flat = torch.tensor([i for row in rows for i in row])
    ids = flat.new_zeros(*mask.shape, *flat.shape[1:])
    ids[mask] = flat
    return ids, mask


def edit_distances(written: Any, written_length: Any, gold: Any, gold_length: Any) -> Any:
    """The fewest insertions, deletions and substitutions (Levenshtein 1966) that turn one row into the other, `[B]`.

    Args:
        written, gold: ids `[B, T1]` and `[B, T2]`. written_length, gold_length: the real length of each row, `[B]`.
    """
    pairs = zip(_rows(written, written_length), _rows(gold, gold_length), strict=True)
    return np.array([Levenshtein.distance(one, other) for one, other in pairs], dtype=np.int64)


def _rows(ids: Any, length: Any) -> list[list[int]]:
    return [row[:n] for row, n in zip(ids.tolist(), length.tolist(), strict=True)]
