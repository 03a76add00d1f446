"""A trained model on a split: what it writes by itself against what it should have written."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from seqtool.errors import MisuseError, SeqtoolError, nearest_name
from seqtool.inference.bleu import Bleu
from seqtool.inference.measures import (
    Estimate,
    Scores,
    ValueScores,
    corpus_estimate,
    estimates,
    measures,
    ratios,
)
from seqtool.inference.pairs import Pair
from seqtool.nn.accepted_targets import (
    Targets,
    accepted_targets,
    edit_distances,
    nearest_targets,
    pad_rows,
    with_end_symbol,
)
from seqtool.nn.memory_recording import record_memory_masks
from seqtool.nn.model import Seq2Seq
from seqtool.parts.batch import Batch
from seqtool.parts.metric import Metric
from seqtool.parts.search import Search
from seqtool.parts.task import Split, Task
from seqtool.parts.vocabulary import Vocabulary
from seqtool.statistics.bootstrap import described
from seqtool.statistics.length_groups import LengthGroups

ERRORS = ("mean_squared_error", "mean_absolute_error")
"""What is measured of every target of values."""


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
            "bootstrap": described(self.bootstrap_seed),
            "overall": asdict(self.overall),
            "by_length": [asdict(group) for group in self.by_length],
        }


def measure_names(task: Task, metrics: Mapping[str, Metric]) -> list[str]:
    """What is measured of a task's predictions; BLEU where it is asked for."""
    if task.target_vocabulary.modality == "continuous":
        return [*ERRORS, *(name for name, metric in metrics.items() if metric.predictions == "decoded")]
    return [*measures(task.token_name), "bleu"]


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


@dataclass(frozen=True)
class Evaluator:
    """How a model is measured.

    Attributes:
        metrics: those that look at weights are measured; of values also, beside their errors, those that look at what
            was decoded.
        max_length: the most symbols that may be written; None for the task's own most.
        bleu: None for no BLEU.
    """

    task: Task
    model: Seq2Seq
    search: Search
    metrics: Mapping[str, Metric]
    max_length: int | None
    device: torch.device
    bleu: Bleu | None = None
    bootstrap_seed: int = 0

    def split(self, split: Split, batches: int, batch_size: int, seed: int) -> Evaluation:
        """Decode the first `batches` batches of a split, and measure; training batches are drawn by the run's `seed`.

        Raises:
            SeqtoolError: the split holds no example.
        """
        parts, looks = [], []
        for batch in drawn_batches(self.task, split, batches, batch_size, seed):
            parts.append(self.scores(batch))
            looks.append(self._looks(batch))
        if not sum(map(len, parts)):
            raise SeqtoolError(f"the split {split!r} holds no example")
        return self._evaluation(split, parts, {name: np.concatenate([one[name] for one in looks]) for name in looks[0]})

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
            right = [list(with_end_symbol(self.task, pair.targets)) for pair in some]
            parts.append(self._symbols(*pad_rows([pair.source for pair in some]), right))
        return self._evaluation(None, parts, {})

    def scores(self, batch: Batch) -> Any:
        """Compare what is written with the targets of a batch: `Scores`, or `ValueScores`."""
        if self.task.target_vocabulary.modality == "symbols":
            return self._symbols(batch.source, batch.source_mask, accepted_targets(self.task, batch))
        ids, _ = self._written(batch.source, batch.source_mask, batch.target.shape[1])
        return value_scores(ids, batch, self.metrics)

    def _symbols(self, source: Tensor, source_mask: Tensor, right: list[Targets]) -> Scores:
        """Compare what is written with the nearest of the targets that are right."""
        fixed = self.task.ending == "fixed"
        steps = max(len(target) for targets in right for target in targets)
        if not fixed:
            steps = self.max_length or max(steps, self.task.max_target_length)
        ids, mask = self._written(source, source_mask, steps)
        target, target_mask = pad_rows(nearest_targets(self.task, ids, mask, right), ids.shape[1])
        if fixed:  # nothing but the target says where it ends
            mask = mask & target_mask[:, : mask.shape[1]]
        scores = compared(ids, mask, target, target_mask, self.task.target_vocabulary)
        scores = replace(scores, token_name=self.task.token_name)
        if self.bleu is None:
            return scores
        written = (row[real].tolist() for row, real in zip(ids, mask, strict=True))
        statistics = [self.bleu.statistics(one, targets) for one, targets in zip(written, right, strict=True)]
        return replace(scores, bleu=np.array(statistics))

    def _written(self, source: Tensor, source_mask: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        with torch.inference_mode():
            found = self.search.search(self.model, source.to(self.device), source_mask.to(self.device), steps)
        return found.ids[:, 0].cpu(), found.mask[:, 0].cpu()

    def _looks(self, batch: Batch) -> dict[str, Any]:
        """The sums of each metric on the weights of a teacher-forced pass, `[B, 2]`."""
        looking = {name: metric for name, metric in self.metrics.items() if "weights" in metric.requires}
        if not looking:
            return {}
        with torch.inference_mode(), record_memory_masks(self.model.encoder) as masks:
            _, weights = self.model(batch.to(self.device))
            assert weights is not None, "a decoder without attention has no such metric"
            looked, mask = weights.cpu(), masks[-1].cpu()
            return {name: metric.weight_sums(looked, mask, batch).numpy() for name, metric in looking.items()}

    def _evaluation(self, split: Split | None, parts: list[Any], looks: dict[str, Any]) -> Evaluation:
        scores = type(parts[0]).joined(parts)
        chosen = [(scores.chosen(where), where) for where in _grouped(scores.length)]
        by_length = tuple(
            self._group(some, {name: rows[where] for name, rows in looks.items()}) for some, where in chosen
        )
        signature = self.bleu.signature if self.bleu else None
        return Evaluation(split, len(parts), self._group(scores, looks), by_length, self.bootstrap_seed, signature)

    def _group(self, scores: Any, looks: dict[str, Any]) -> Group:
        ends = int(scores.length.min()), int(scores.length.max())
        found = estimates(scores, self.bootstrap_seed)
        if self.bleu:
            found["bleu"] = corpus_estimate(scores.bleu, self.bleu.score, self.bootstrap_seed)
        looked = {name: ratios(rows, self.metrics[name].compute, self.bootstrap_seed) for name, rows in looks.items()}
        known = {name: one for name, one in looked.items() if not np.isnan(one.value)}
        return Group(*ends, len(scores), int(scores.tokens.sum()), found, known)


def value_scores(written: Tensor, batch: Batch, metrics: Mapping[str, Metric]) -> ValueScores:
    """Score values that were written, `[B, T, F]`: their errors, and what each metric of decoded values says."""
    length = batch.target_mask.sum(1).double()
    error = (written.double() - batch.target.double()).masked_fill(~batch.target_mask[:, :, None], 0)
    errors = (error**2).mean(2).sum(1), error.abs().mean(2).sum(1)
    sums = {name: torch.stack([summed, length], 1) for name, summed in zip(ERRORS, errors, strict=True)}
    rows = [batch[i : i + 1] for i in range(len(batch))]
    for name, metric in metrics.items():
        if metric.predictions == "decoded":
            sums[name] = torch.stack([metric.sums(written[i : i + 1], row) for i, row in enumerate(rows)])
    return ValueScores(length.long().numpy(), {name: both.numpy() for name, both in sums.items()})


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
    group = LengthGroups.of(length.tolist()).number(length)
    return [group == one for one in np.unique(group)]
