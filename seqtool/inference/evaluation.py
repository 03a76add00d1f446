"""A trained model on a split: what it writes by itself against what it should have written."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from seqtool.errors import MisuseError, SeqtoolError, nearest_name
from seqtool.inference.decoding import padded
from seqtool.inference.measures import (
    CONFIDENCE,
    MEASURES,
    RESAMPLES,
    Estimate,
    Scores,
    ValueScores,
    edit_distances,
    estimates,
    ratios,
)
from seqtool.nn.memory import watched_memory
from seqtool.nn.model import Seq2Seq
from seqtool.parts.batch import Batch
from seqtool.parts.metric import Metric
from seqtool.parts.search import Search
from seqtool.parts.task import Split, Task
from seqtool.parts.vocabulary import Vocabulary

GROUPS = 10
"""Up to so many groups of lengths are told apart."""


@dataclass(frozen=True)
class Group:
    """Examples whose targets have `shortest` to `longest` symbols, the end symbol left out, and their measures.

    `measures`: of what was written. `attention`: of where a teacher-forced pass looks; empty without attention, and
    without what could not be measured.
    """

    shortest: int
    longest: int
    examples: int
    tokens: int
    measures: dict[str, Estimate]
    attention: dict[str, Estimate]


@dataclass(frozen=True)
class Evaluation:
    """All examples together, and by the length of their targets."""

    split: Split
    batches: int
    overall: Group
    by_length: tuple[Group, ...]
    bootstrap_seed: int

    def plain(self) -> dict[str, Any]:
        """What `seqtool evaluate --json` prints of it."""
        return {
            "split": self.split,
            "batches": self.batches,
            "bootstrap": {"resamples": RESAMPLES, "confidence": CONFIDENCE, "seed": self.bootstrap_seed},
            "overall": asdict(self.overall),
            "by_length": [asdict(group) for group in self.by_length],
        }


def measure_names(task: Task) -> list[str]:
    """What is measured of a task's predictions."""
    return list(MEASURES)


def batches_asked(
    task: Task, split: Split, wanted: int | None, without_end: int, size: int, max_length: int | None
) -> int:
    """How many batches of a split are looked at: all, or `without_end` where examples are drawn without end.

    Args:
        wanted: the most that are asked for, if any. size: examples a batch.

    Raises:
        MisuseError: no such split, or numbers below 1.
    """
    if split not in get_args(Split):
        raise MisuseError(
            f"no such split: {split!r}", allowed=get_args(Split), nearest=nearest_name(split, get_args(Split))
        )
    if any(number is not None and number < 1 for number in (wanted, size, max_length)):
        raise MisuseError("batches, batch_size, examples and max_length are whole numbers from 1 on")
    there = task.num_batches(split, size)
    if there is None:
        return wanted or without_end
    return min(there, wanted or there)


def drawn_batches(task: Task, split: Split, count: int, size: int, seed: int) -> Iterator[Batch]:
    """The first batches of a split, on the CPU."""
    for k in range(count):
        yield task.batch(split, k, seed=seed, rank=0, batch_size=size, device=torch.device("cpu"))


def evaluate(
    task: Task,
    model: Seq2Seq,
    search: Search,
    split: Split,
    *,
    metrics: Mapping[str, Metric],
    batches: int,
    batch_size: int,
    max_length: int | None,
    device: torch.device,
    seed: int,
    bootstrap_seed: int = 0,
) -> Evaluation:
    """Decode the first `batches` batches of a split, and measure.

    Args:
        metrics: those that look at weights are measured; of values also, beside their errors, those that look at what
            was decoded.
        max_length: the most symbols that may be written; None for the task's own most.
        seed: the run's, by which training batches are drawn.

    Raises:
        SeqtoolError: the split holds no example.
    """
    parts, looks, looking = [], [], {name: metric for name, metric in metrics.items() if metric.needs_weights}
    for batch in drawn_batches(task, split, batches, batch_size, seed):
        parts.append(written_scores(task, model, search, metrics, batch, max_length, device))
        looks.append(_looks(model, looking.values(), batch, device))
    if not sum(map(len, parts)):
        raise SeqtoolError(f"the split {split!r} holds no example")
    scores, rows = type(parts[0]).joined(parts), np.concatenate(looks)

    def group(where: Any) -> Group:
        chosen = scores.chosen(where)
        found = {
            name: ratios(rows[where, i], metric.compute, bootstrap_seed)
            for i, (name, metric) in enumerate(looking.items())
        }
        known = {name: one for name, one in found.items() if not np.isnan(one.value)}
        ends = int(chosen.length.min()), int(chosen.length.max())
        return Group(*ends, len(chosen), int(chosen.tokens.sum()), estimates(chosen, bootstrap_seed), known)

    by_length = tuple(group(where) for where in _grouped(scores.length))
    return Evaluation(split, batches, group(np.full(len(scores), True)), by_length, bootstrap_seed)


def _looks(model: Seq2Seq, metrics: Collection[Metric], batch: Batch, device: torch.device) -> Any:
    """The sums of each metric on the weights of a teacher-forced pass, `[B, metrics, 2]`."""
    if not metrics:
        return np.zeros((len(batch), 0, 2))
    with torch.inference_mode(), watched_memory(model.encoder) as masks:
        _, weights = model(batch.to(device))
        assert weights is not None, "a decoder without attention has no such metric"
        looked, mask = weights.cpu(), masks[-1].cpu()
        return torch.stack([metric.weight_sums(looked, mask, batch) for metric in metrics], 1).numpy()


def written_scores(
    task: Task,
    model: Seq2Seq,
    search: Search,
    metrics: Mapping[str, Metric],
    batch: Batch,
    max_length: int | None,
    device: torch.device,
) -> Any:
    """Compare what is written with the targets of a batch, each with the nearest of those that are right.

    `Scores`, or `ValueScores`.
    """
    steps = batch.target.shape[1]
    if task.ending == "eos":
        steps = max_length or max(steps, task.max_target_length)
    there = batch.to(device)
    with torch.inference_mode():
        found = search.search(model, there.source, there.source_mask, steps)
    ids, mask = found.ids[:, 0].cpu(), found.mask[:, 0].cpu()
    if task.target_vocabulary.form == "values":
        return value_scores(ids, batch, metrics)
    if task.ending == "fixed":  # nothing but the target says where it ends
        mask = mask & batch.target_mask[:, : mask.shape[1]]
    right = list(_right_targets(task, batch))
    owner = torch.tensor([row for row, targets in enumerate(right) for _ in targets])
    target, target_mask = padded([target for targets in right for target in targets], torch.device("cpu"))
    scores = compared(ids[owner], mask[owner], target, target_mask, task.target_vocabulary)
    order = np.lexsort((scores.edits, owner.numpy()))
    _, nearest = np.unique(owner.numpy()[order], return_index=True)
    return scores.chosen(order[nearest])


def value_scores(written: Tensor, batch: Batch, metrics: Mapping[str, Metric]) -> ValueScores:
    """Score values that were written, `[B, T, F]`: their errors, and what each metric of decoded values says."""
    length = batch.target_mask.sum(1).double()
    error = (written.double() - batch.target.double()).masked_fill(~batch.target_mask[:, :, None], 0)
    sums = {
        "mean_squared_error": torch.stack([(error**2).mean(2).sum(1), length], 1),
        "mean_absolute_error": torch.stack([error.abs().mean(2).sum(1), length], 1),
    }
    rows = [Batch(*(getattr(batch, f.name)[i : i + 1] for f in fields(batch))) for i in range(len(batch))]
    for name, metric in metrics.items():
        if metric.predictions == "decoded":
            sums[name] = torch.stack([metric.sums(written[i : i + 1], row) for i, row in enumerate(rows)])
    return ValueScores(length.long().numpy(), {name: both.numpy() for name, both in sums.items()})


def _right_targets(task: Task, batch: Batch) -> Iterator[list[list[int]]]:
    """For each example its target and the others that are as right, the end symbol included."""
    end = [] if task.target_vocabulary.end is None else [task.target_vocabulary.end]
    for row in range(len(batch)):
        others = task.also_right(batch.source[row][batch.source_mask[row]].tolist())
        yield [batch.target[row][batch.target_mask[row]].tolist(), *([*other, *end] for other in others)]


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
