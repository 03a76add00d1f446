"""Evaluate a trained model: decode examples without their targets, and compare the predictions with them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from seqtool.build.torch_settings import default_settings
from seqtool.errors import MisuseError, SeqtoolError, nearest_name
from seqtool.inference.bleu import Bleu
from seqtool.inference.estimates import Estimate, corpus_estimate, estimates
from seqtool.inference.pairs import Pair
from seqtool.inference.scores import ERRORS, SymbolScores, score_continuous, score_symbols, symbol_measures
from seqtool.nn.accepted_targets import Targets, accepted_targets, compare_decoded, pad_rows, with_end_symbol
from seqtool.nn.memory_recording import record_memory_masks
from seqtool.nn.model import Seq2Seq
from seqtool.parts.batch import Batch
from seqtool.parts.metric import Metric
from seqtool.parts.search import Search
from seqtool.parts.task import Split, Task
from seqtool.statistics.bootstrap import described
from seqtool.statistics.length_groups import LengthGroups


@dataclass(frozen=True)
class Group:
    """Examples with `shortest` to `longest` target symbols, end symbol excluded, and their measures.

    `measures`: of the predictions. `attention`: the metrics of the attention weights of a teacher-forced pass, where
    they are defined; empty without attention.
    """

    shortest: int
    longest: int
    examples: int
    tokens: int
    measures: dict[str, Estimate]
    attention: dict[str, Estimate]


@dataclass(frozen=True)
class Evaluation:
    """The measures of all examples, and by target length.

    Attributes:
        split: None if pairs were evaluated.
        bleu_signature: how BLEU was computed; None if it was not requested.
    """

    split: Split | None
    batches: int
    overall: Group
    by_length: tuple[Group, ...]
    bootstrap_seed: int
    bleu_signature: str | None = None

    def plain(self) -> dict[str, Any]:
        """The content of `seqtool evaluate --json`."""
        return {
            "split": self.split,
            "batches": self.batches,
            "bleu_signature": self.bleu_signature,
            "bootstrap": described(self.bootstrap_seed),
            "overall": asdict(self.overall),
            "by_length": [asdict(group) for group in self.by_length],
        }


def measure_names(task: Task, metrics: Mapping[str, Metric]) -> list[str]:
    """The measures of a task's predictions, BLEU included."""
    if task.target_vocabulary.modality == "continuous":
        return [*ERRORS, *(name for name, metric in metrics.items() if metric.predictions == "decoded")]
    return [*symbol_measures(task.token_name), "bleu"]


def count_batches(
    task: Task, split: Split, limit: int | None, unlimited: int, batch_size: int, max_length: int | None
) -> int:
    """The number of batches to evaluate: all of the split, at most `limit`.

    Args:
        unlimited: how many if the split has no end and `limit` is None.

    Raises:
        MisuseError: unknown split, or a number below 1.
    """
    if split not in get_args(Split):
        raise MisuseError(
            f"no such split: {split!r}", allowed=get_args(Split), nearest=nearest_name(split, get_args(Split))
        )
    if any(number is not None and number < 1 for number in (limit, batch_size, max_length)):
        raise MisuseError("batches, batch_size, examples and max_length must be at least 1")
    count = task.num_batches(split, batch_size)
    if count is None:
        return limit or unlimited
    return min(count, limit or count)


def first_batches(task: Task, split: Split, count: int, batch_size: int, seed: int) -> Iterator[Batch]:
    """The first `count` batches of a split, on the CPU; training batches are drawn from `seed`."""
    for k in range(count):
        yield task.batch(split, k, seed=seed, rank=0, batch_size=batch_size, device=torch.device("cpu"))


@dataclass(frozen=True)
class Evaluator:
    """Evaluates a model.

    Attributes:
        metrics: those of attention weights are computed, and with continuous targets those of decoded values.
        max_length: the most symbols to generate; None for the task's maximum.
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

    @default_settings()
    def evaluate_split(self, split: Split, batches: Iterable[Batch]) -> Evaluation:
        """Evaluate batches of a split.

        Raises:
            SeqtoolError: the split has no examples.
        """
        parts, attention = [], []
        for batch in batches:
            parts.append(self.score(batch))
            attention.append(self._score_attention(batch))
        if not any(map(len, parts)):
            raise SeqtoolError(f"the split {split!r} has no examples")
        rows = {name: np.concatenate([sums[name] for sums in attention]) for name in attention[0]}
        return self._evaluation(split, parts, rows)

    @default_settings()
    def evaluate_pairs(self, pairs: Sequence[Pair], batch_size: int) -> Evaluation:
        """Evaluate pairs of a source and its accepted targets.

        Raises:
            SeqtoolError: there are no pairs.
        """
        if not pairs:
            raise SeqtoolError("there are no pairs to evaluate")
        parts = []
        for begin in range(0, len(pairs), batch_size):
            some = pairs[begin : begin + batch_size]
            accepted = [list(with_end_symbol(self.task, pair.targets)) for pair in some]
            parts.append(self._score_symbols(*pad_rows([pair.source for pair in some]), accepted))
        return self._evaluation(None, parts, {})

    def score(self, batch: Batch) -> Any:
        """Decode the sources of a batch, and compare with its targets: `SymbolScores`, or `ContinuousScores`."""
        if self.task.target_vocabulary.modality == "symbols":
            return self._score_symbols(batch.source, batch.source_mask, accepted_targets(self.task, batch))
        values, _ = self._decode(batch.source, batch.source_mask, batch.target.shape[1])
        return score_continuous(values, batch, self.metrics)

    def _score_symbols(self, source: Tensor, source_mask: Tensor, accepted: list[Targets]) -> SymbolScores:
        """Compare each prediction with the nearest of its accepted targets."""
        steps = max(len(target) for targets in accepted for target in targets)
        if self.task.ending == "eos":
            steps = self.max_length or max(steps, self.task.max_target_length)
        ids, mask = self._decode(source, source_mask, steps)
        comparison = compare_decoded(self.task, ids, mask, accepted)
        scores = replace(score_symbols(comparison, self.task.target_vocabulary), token_name=self.task.token_name)
        if self.bleu is None:
            return scores
        mask = comparison.mask[:, : ids.shape[1]]
        predicted = (row[real].tolist() for row, real in zip(ids, mask, strict=True))
        statistics = [self.bleu.statistics(one, targets) for one, targets in zip(predicted, accepted, strict=True)]
        return replace(scores, bleu=np.array(statistics))

    def _decode(self, source: Tensor, source_mask: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """The best hypothesis of each source and its mask, on the CPU."""
        with torch.inference_mode():
            found = self.search.search(self.model, source.to(self.device), source_mask.to(self.device), steps)
        return found.ids[:, 0].cpu(), found.mask[:, 0].cpu()

    def _score_attention(self, batch: Batch) -> dict[str, Any]:
        """The sums `[B, 2]` of each metric of attention weights, in a teacher-forced pass."""
        metrics = {name: metric for name, metric in self.metrics.items() if "weights" in metric.requires}
        if not metrics:
            return {}
        with torch.inference_mode(), record_memory_masks(self.model.encoder) as masks:
            _, weights = self.model(batch.to(self.device))
            assert weights is not None, "metrics that require weights are refused without attention"
            weights, mask = weights.cpu(), masks[-1].cpu()
            return {name: metric.weight_sums(weights, mask, batch).numpy() for name, metric in metrics.items()}

    def _evaluation(self, split: Split | None, parts: list[Any], attention: dict[str, Any]) -> Evaluation:
        scores = type(parts[0]).concatenate(parts)
        by_length = tuple(
            self._group(scores.select(mask), {name: rows[mask] for name, rows in attention.items()})
            for mask in _length_groups(scores.length)
        )
        signature = self.bleu.signature if self.bleu else None
        return Evaluation(split, len(parts), self._group(scores, attention), by_length, self.bootstrap_seed, signature)

    def _group(self, scores: Any, attention: dict[str, Any]) -> Group:
        bounds = int(scores.length.min()), int(scores.length.max())
        measures = estimates(scores, self.bootstrap_seed)
        if self.bleu:
            measures["bleu"] = corpus_estimate(scores.bleu, self.bleu.score, self.bootstrap_seed)
        found = {name: self._estimate(self.metrics[name], rows) for name, rows in attention.items()}
        defined = {name: estimate for name, estimate in found.items() if not np.isnan(estimate.value)}
        return Group(*bounds, len(scores), int(scores.tokens.sum()), measures, defined)

    def _estimate(self, metric: Metric, rows: Any) -> Estimate:
        return corpus_estimate(rows, lambda sums: metric.compute(torch.from_numpy(sums)), self.bootstrap_seed)


def _length_groups(length: Any) -> list[Any]:
    """A mask `[n]` for each group of lengths that has examples."""
    group = LengthGroups.of(length.tolist()).number(length)
    return [group == one for one in np.unique(group)]
