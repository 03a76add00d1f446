"""A trained model on a split: what it writes by itself against what it should have written."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqtool.errors import SeqtoolError
from seqtool.inference.measures import CONFIDENCE, RESAMPLES, Estimate, Scores, edit_distances, estimates
from seqtool.nn.model import Seq2Seq
from seqtool.parts.batch import Batch
from seqtool.parts.search import Search
from seqtool.parts.task import Split, Task

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
    """All examples together, and by the length of their targets."""

    split: Split
    batches: int
    overall: Group
    by_length: tuple[Group, ...]
    seed: int

    def plain(self) -> dict[str, Any]:
        """What `seqtool evaluate --json` prints of it."""
        return {
            "split": self.split,
            "batches": self.batches,
            "bootstrap": {"resamples": RESAMPLES, "confidence": CONFIDENCE, "seed": self.seed},
            "overall": asdict(self.overall),
            "by_length": [asdict(group) for group in self.by_length],
        }


def evaluate(
    task: Task,
    model: Seq2Seq,
    search: Search,
    split: Split,
    *,
    batches: int,
    batch_size: int,
    max_length: int | None,
    device: torch.device,
    seed: int = 0,
) -> Evaluation:
    """Decode the first `batches` batches of a split, and measure.

    Args:
        max_length: the most symbols that may be written; None for the task's own most.
        seed: of the bootstrap.

    Raises:
        SeqtoolError: the split holds no example.
    """
    parts = []
    for k in range(batches):
        batch = task.batch(split, k, seed=0, rank=0, batch_size=batch_size, device=torch.device("cpu"))
        parts.append(_scores(task, model, search, batch, max_length, device))
    if not sum(map(len, parts)):
        raise SeqtoolError(f"the split {split!r} holds no example")
    scores = Scores.joined(parts)
    by_length = [_group(scores.chosen(where), seed) for where in _grouped(scores.length)]
    return Evaluation(split, batches, _group(scores, seed), tuple(by_length), seed)


def _scores(
    task: Task, model: Seq2Seq, search: Search, batch: Batch, max_length: int | None, device: torch.device
) -> Scores:
    """Compare what is written with the targets of a batch."""
    num_gold, end, unknown = batch.target.shape[1], task.target_vocabulary.end, task.target_vocabulary.unknown
    steps = num_gold if task.ending == "fixed" else max_length or max(num_gold, task.max_target_length)
    there = batch.to(device)
    with torch.inference_mode():
        found = search.search(model, there.source, there.source_mask, steps)
    ids, mask = found.ids[:, 0].cpu(), found.mask[:, 0].cpu()
    ids = torch.nn.functional.pad(ids, (0, max(0, num_gold - ids.shape[1])))
    mask = torch.nn.functional.pad(mask, (0, ids.shape[1] - mask.shape[1]))
    if task.ending == "fixed":  # nothing but the target says where it ends
        mask = mask & batch.target_mask
    gold = batch.target.masked_fill(
        batch.target == (-1 if unknown is None else unknown), -1
    )  # no symbol is right there
    hit = (ids[:, :num_gold] == gold) & mask[:, :num_gold] & batch.target_mask
    right, tokens = hit.sum(1), batch.target_mask.sum(1)
    exact = (right == tokens) & (mask.sum(1) == tokens)
    length, written = _symbols(batch.target, batch.target_mask, end), _symbols(ids, mask, end)
    edits = edit_distances(ids.numpy(), written, gold.numpy(), length)
    return Scores(length, tokens.numpy(), exact.numpy(), right.numpy(), edits)


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


def _group(scores: Scores, seed: int) -> Group:
    ends = int(scores.length.min()), int(scores.length.max())
    return Group(*ends, len(scores), int(scores.tokens.sum()), estimates(scores, seed))
