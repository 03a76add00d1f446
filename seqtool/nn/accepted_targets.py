"""The accepted target of an example with the smallest edit distance to the prediction."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from rapidfuzz.distance import Levenshtein
from torch import Tensor

from seqtool.parts.batch import Batch
from seqtool.parts.task import Task

Targets = list[list[int]]
"""The correct targets of one source, its gold target first, including the end symbol if the task has one."""


def accepted_targets(task: Task, batch: Batch) -> list[Targets]:
    """The gold target and the alternative targets of each example of a batch on the CPU."""
    accepted = []
    for row in range(len(batch)):
        own = batch.target[row][batch.target_mask[row]].tolist()
        others = task.alternative_targets(batch.source[row][batch.source_mask[row]].tolist())
        accepted.append([own, *with_end_symbol(task, others)])
    return accepted


def with_end_symbol(task: Task, targets: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """The targets with the end symbol of the task appended, if it has one."""
    end = [] if task.target_vocabulary.end is None else [task.target_vocabulary.end]
    yield from ([*target, *end] for target in targets)


def nearest_targets(task: Task, ids: Tensor, mask: Tensor, accepted: Sequence[Targets]) -> Targets:
    """For each example the accepted target nearest to the output `ids [B, T]`; the first if several are equally near.

    If the task has no end symbol, the output is cut to the length of each target before the comparison.
    """
    owner = [row for row, targets in enumerate(accepted) for _ in targets]
    flat = [target for targets in accepted for target in targets]
    if len(flat) == len(accepted):
        return flat
    length = np.array([len(target) for target in flat])
    gold = np.zeros((len(flat), max(length.max(), 1)), dtype=np.int64)
    gold[np.arange(gold.shape[1]) < length[:, None]] = [i for target in flat for i in target]
    gold[gold == task.target_vocabulary.unknown] = -1  # an unknown symbol never matches
    output_length = mask.sum(1).numpy()[owner]
    if task.ending == "fixed":
        output_length = np.minimum(output_length, length)
    edits = edit_distances(ids.numpy()[owner], output_length, gold, length)
    order = np.lexsort((edits, owner))
    _, first = np.unique(np.array(owner)[order], return_index=True)
    return [flat[i] for i in order[first]]


def replace_targets(batch: Batch, targets: Targets, width: int) -> Batch:
    """The batch with other targets, padded to at least `width`. Targets other than the gold one have no alignment."""
    target, mask = pad_rows(targets, width)
    alignment = torch.full_like(target, -1)
    for row, own in enumerate(targets):
        if own == batch.target[row][batch.target_mask[row]].tolist():
            alignment[row, : len(own)] = batch.alignment[row, : len(own)]
    return Batch(batch.source, batch.source_mask, target, mask, alignment)


def pad_rows(rows: Sequence[Sequence[Any]], width: int = 0) -> tuple[Tensor, Tensor]:
    """Pad rows with 0 to the longest, at least to `width`: `(ids [B, T], mask [B, T])`; of vectors, `ids [B, T, F]`."""
    length = torch.tensor([len(row) for row in rows])
    mask = torch.arange(max(int(length.max()), width)) < length[:, None]
    flat = torch.tensor([i for row in rows for i in row])
    ids = flat.new_zeros(*mask.shape, *flat.shape[1:])
    ids[mask] = flat
    return ids, mask


def edit_distances(output: Any, output_length: Any, gold: Any, gold_length: Any) -> Any:
    """The Levenshtein distance (insertions, deletions, substitutions; Levenshtein 1966) of each pair of rows, `[B]`.

    Args:
        output, gold: ids `[B, T1]` and `[B, T2]`.
        output_length, gold_length: the number of real positions of each row, `[B]`.
    """
    pairs = zip(_rows(output, output_length), _rows(gold, gold_length), strict=True)
    return np.array([Levenshtein.distance(one, other) for one, other in pairs], dtype=np.int64)


def _rows(ids: Any, length: Any) -> list[list[int]]:
    return [row[:n] for row, n in zip(ids.tolist(), length.tolist(), strict=True)]
