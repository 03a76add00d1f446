"""Compares predicted ids with all accepted targets."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from rapidfuzz.distance import Levenshtein
from torch import Tensor
from torch.nn.functional import pad

from seqtool.parts.batch import Batch
from seqtool.parts.task import Task
from seqtool.parts.vocabulary import Vocabulary

Targets = list[list[int]]
"""The correct targets of one source, its gold target first, including the end symbol if the task has one."""


class Comparison(NamedTuple):
    """Predictions and the targets that they are compared with, all `[B, T]`.

    `ids`: see `comparable`. `correct`: True where the predicted symbol equals that of the target.
    """

    ids: Tensor
    mask: Tensor
    target: Tensor
    target_mask: Tensor
    correct: Tensor

    @property
    def tokens(self) -> Tensor:
        """The number of symbols of each target, `[B]`."""
        return self.target_mask.sum(1)

    @property
    def exact(self) -> Tensor:
        """Whether each prediction equals its target, `[B]`."""
        return (self.correct.sum(1) == self.tokens) & (self.mask.sum(1) == self.tokens)


def comparable(ids: Tensor, mask: Tensor, vocabulary: Vocabulary) -> Tensor:
    """The predicted `ids [B, T]`, with -1 at padding and for the unknown symbol; -1 equals no id of a target.

    Different symbols share the unknown id, so an unknown symbol is never correct.
    """
    if vocabulary.unknown is not None:
        mask = mask & (ids != vocabulary.unknown)
    return ids.masked_fill(~mask, -1)


def compare_ids(ids: Tensor, mask: Tensor, target: Tensor, target_mask: Tensor, vocabulary: Vocabulary) -> Comparison:
    """Compare predictions `[B, T1]` with one target each, `[B, T2]`, position by position."""
    width = max(ids.shape[1], target.shape[1])
    padded = (pad(side, (0, width - side.shape[1])) for side in (ids, mask, target, target_mask))
    ids, mask, target, target_mask = padded
    ids = comparable(ids, mask, vocabulary)
    return Comparison(ids, mask, target, target_mask, (ids == target) & target_mask)


def compare_decoded(task: Task, ids: Tensor, mask: Tensor, accepted: Sequence[Targets]) -> Comparison:
    """Compare decoded predictions `[B, T]` on the CPU with the nearest accepted target of each example.

    If the task has no end symbol, each prediction is cut to the length of its target.
    """
    target, target_mask = pad_rows(nearest_targets(task, ids, mask, accepted), ids.shape[1])
    if task.ending == "fixed":
        mask = mask & target_mask[:, : mask.shape[1]]
    return compare_ids(ids, mask, target, target_mask, task.target_vocabulary)


def accept_next_symbols(batch: Batch, predicted: Tensor, accepted: Sequence[Targets]) -> Batch:
    """The batch to compare teacher-forced predictions `[B, T]` with, on the CPU.

    The prediction at a position follows the gold symbols before it. If an accepted target begins with the same symbols,
    its next symbol is correct as well: where it is predicted, it replaces the gold symbol.
    """
    if all(len(targets) == 1 for targets in accepted):
        return batch
    target = batch.target.clone()
    for row, (gold, *others) in enumerate(accepted):
        for other in others:
            pairs = enumerate(zip(gold, other, strict=False))
            first = next((i for i, (one, another) in pairs if one != another), None)
            if first is not None and predicted[row, first] == other[first]:
                target[row, first] = other[first]
    return replace(batch, target=target)


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
    output_length = mask.sum(1).numpy()[owner]
    if task.ending == "fixed":
        output_length = np.minimum(output_length, length)
    edits = edit_distances(comparable(ids, mask, task.target_vocabulary).numpy()[owner], output_length, gold, length)
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
    length = torch.tensor([len(row) for row in rows], device="cpu")
    mask = torch.arange(max(int(length.max()), width), device="cpu") < length[:, None]
    flat = torch.tensor([i for row in rows for i in row], device="cpu")
    flat = flat.float() if flat.is_floating_point() else flat
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
