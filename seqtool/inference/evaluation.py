"""A trained model on a split: what it writes by itself against what it should have written."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from seqtool.errors import SeqtoolError
from seqtool.inference.bleu import Bleu
from seqtool.inference.measures import CONFIDENCE, RESAMPLES, Estimate, Scores, estimates, measures
from seqtool.inference.pairs import Pair
from seqtool.nn.model import Seq2Seq
from seqtool.parts.right_targets import Targets, closed, edit_distances, nearest, padded, right_targets
from seqtool.parts.search import Search
from seqtool.parts.task import Split, Task
from seqtool.parts.vocabulary import Vocabulary

GROUPS = 10
"""Up to so many groups of lengths are told apart."""


@dataclass(frozen=True)
class Group:
    """Examples whose targets have `shortest` to `longest` symbols, the end symbol left out, and their measures."""

    shortest: int
    longest: int
    examples: int
    tokens: int
    measures: dict[str, Estimate]


@dataclass(frozen=True)
class Evaluation:
    """All examples together, and by the length of their targets.

    Attributes:
        split: None for pairs that were given.
        bleu_signature: how BLEU was computed, None where nobody asked for it.
    """

    split: Split | None
    batches: int
    overall: Group
    by_length: tuple[Group, ...]
    bootstrap_seed: int
    bleu_signature: str | None = None

    def plain(self) -> dict[str, Any]:
        """What `seqtool evaluate --json` prints of it."""
        return {
            "split": self.split,
            "batches": self.batches,
            "bleu_signature": self.bleu_signature,
            "bootstrap": {"resamples": RESAMPLES, "confidence": CONFIDENCE, "seed": self.bootstrap_seed},
            "overall": asdict(self.overall),
            "by_length": [asdict(group) for group in self.by_length],
        }


def measure_names(task: Task) -> list[str]:
    """What is measured of a task's predictions; BLEU where it is asked for."""
    return [*measures(task.token_name), "bleu"]


@dataclass(frozen=True)
class Evaluator:
    """How a model is measured.

    Attributes:
        max_length: the most symbols that may be written; None for the task's own most.
        bleu: None for no BLEU.
    """

    task: Task
    model: Seq2Seq
    search: Search
    max_length: int | None
    device: torch.device
    bleu: Bleu | None = None
    bootstrap_seed: int = 0

    def split(self, split: Split, batches: int, batch_size: int, seed: int) -> Evaluation:
        """Decode the first `batches` batches of a split, and measure; training batches are drawn by the run's `seed`.

        Raises:
            SeqtoolError: the split holds no example.
        """
        parts = []
        for k in range(batches):
            cpu = torch.device("cpu")
            batch = self.task.batch(split, k, seed=seed, rank=0, batch_size=batch_size, device=cpu)
            parts.append(self._scores(batch.source, batch.source_mask, right_targets(self.task, batch)))
        if not sum(map(len, parts)):
            raise SeqtoolError(f"the split {split!r} holds no example")
        return self._evaluation(split, parts)

    def pairs(self, pairs: Sequence[Pair], batch_size: int) -> Evaluation:
        """Decode the sources of pairs, and measure.

        Raises:
            SeqtoolError: there is no pair.
        """
        if not pairs:
            raise SeqtoolError("there is no pair to measure")
        parts = []
        for begin in range(0, len(pairs), batch_size):
            some = pairs[begin : begin + batch_size]
            right = [list(closed(self.task, pair.targets)) for pair in some]
            parts.append(self._scores(*padded([pair.source for pair in some]), right))
        return self._evaluation(None, parts)

    def _evaluation(self, split: Split | None, parts: list[Scores]) -> Evaluation:
        scores = Scores.joined(parts)
        by_length = tuple(self._group(scores.chosen(where)) for where in _grouped(scores.length))
        signature = self.bleu.signature if self.bleu else None
        return Evaluation(split, len(parts), self._group(scores), by_length, self.bootstrap_seed, signature)

    def _group(self, scores: Scores) -> Group:
        ends = int(scores.length.min()), int(scores.length.max())
        found = estimates(scores, self.bootstrap_seed, self.task.token_name, self.bleu.score if self.bleu else None)
        return Group(*ends, len(scores), int(scores.tokens.sum()), found)

    def _scores(self, source: Tensor, source_mask: Tensor, right: list[Targets]) -> Scores:
        """Compare what is written with the nearest of the targets that are right."""
        fixed = self.task.ending == "fixed"
        steps = max(len(target) for targets in right for target in targets)
        if not fixed:
            steps = self.max_length or max(steps, self.task.max_target_length)
        with torch.inference_mode():
            found = self.search.search(self.model, source.to(self.device), source_mask.to(self.device), steps)
        ids, mask = found.ids[:, 0].cpu(), found.mask[:, 0].cpu()
        target, target_mask = padded(nearest(self.task, ids, mask, right))
        if fixed:  # nothing but the target says where it ends
            mask = mask & pad(target_mask, (0, max(0, mask.shape[1] - target_mask.shape[1])))[:, : mask.shape[1]]
        scores = compared(ids, mask, target, target_mask, self.task.target_vocabulary)
        if self.bleu is None:
            return scores
        written = (row[real].tolist() for row, real in zip(ids, mask, strict=True))
        statistics = [self.bleu.statistics(one, targets) for one, targets in zip(written, right, strict=True)]
        return replace(scores, bleu=np.array(statistics))


def compared(ids: Tensor, mask: Tensor, target: Tensor, target_mask: Tensor, vocabulary: Vocabulary) -> Scores:
    """Score what was written, `[B, T1]`, against targets, `[B, T2]`; a symbol with no id of its own is never right."""
    width = max(ids.shape[1], target.shape[1])
    ids, target = (pad(side, (0, width - side.shape[1])) for side in (ids, target))
    mask, target_mask = (pad(side, (0, width - side.shape[1])) for side in (mask, target_mask))
    length, written = _symbols(target, target_mask, vocabulary.end), _symbols(ids, mask, vocabulary.end)
    if vocabulary.unknown is not None:
        target = target.masked_fill(target == vocabulary.unknown, -1)
    right, tokens = ((ids == target) & mask & target_mask).sum(1), target_mask.sum(1)
    exact = (right == tokens) & (mask.sum(1) == tokens)
    edits = edit_distances(ids.numpy(), written, target.numpy(), length)
    return Scores(length, tokens.numpy(), exact.numpy().astype(int), right.numpy(), edits, np.zeros((len(edits), 0)))


def _symbols(ids: Tensor, mask: Tensor, end: int | None) -> Any:
    """How many symbols there are before the end symbol, `[B]`."""
    return (mask if end is None else mask & (ids != end)).sum(1).numpy()


def _grouped(length: Any) -> list[Any]:
    """A mask for each length that occurs, or for each range of lengths where there are many."""
    if len(np.unique(length)) <= GROUPS:
        return [length == one for one in np.unique(length)]
    width = -(-(length.max() - length.min() + 1) // GROUPS)
    group = (length - length.min()) // width
    return [group == one for one in np.unique(group)]
