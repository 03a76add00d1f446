"""Scores of single examples: predictions compared with their targets."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqtool.nn.accepted_targets import Comparison, edit_distances
from seqtool.parts.batch import Batch
from seqtool.parts.metric import Metric
from seqtool.parts.vocabulary import Vocabulary

ERRORS = ("mean_squared_error", "mean_absolute_error")
"""The measures of all continuous targets."""


def symbol_measures(token_name: str) -> dict[str, tuple[str, str]]:
    """Measure -> (numerator, denominator), columns of `SymbolScores`; the denominator "" is the number of examples."""
    return {
        "exact_match": ("exact", ""),
        "token_accuracy": ("correct", "tokens"),
        "edit_distance": ("edits", ""),
        f"{token_name}_error_rate": ("edits", "length"),
        "sequence_error_rate": ("wrong", ""),
    }


@dataclass(frozen=True)
class SymbolScores:
    """Columns `[n]` of n examples with targets of symbols.

    `length`: target symbols without the end symbol. `tokens`: target symbols with it. `exact`: 1 if every symbol is
    correct. `correct`: symbols that are correct at their position. `edits`: edit distance without the end symbol.
    `bleu`: BLEU statistics `[n, k]`, k = 0 if not requested. `token_name`: see `Task`.
    """

    length: Any
    tokens: Any
    exact: Any
    correct: Any
    edits: Any
    bleu: Any
    token_name: str = "token"

    def __len__(self) -> int:
        return len(self.length)

    def select(self, rows: Any) -> "SymbolScores":
        """The examples where the mask `rows` is True."""
        return replace(self, **{name: getattr(self, name)[rows] for name in _COLUMNS})

    def fractions(self) -> dict[str, tuple[Any, Any]]:
        """Measure -> numerators and denominators, each `[n]`; the measure is the quotient of their sums."""
        columns = {"": np.ones(len(self)), "wrong": 1 - self.exact, **vars(self)}
        return {
            name: (columns[above], columns[below]) for name, (above, below) in symbol_measures(self.token_name).items()
        }

    @classmethod
    def concatenate(cls, parts: "list[SymbolScores]") -> "SymbolScores":
        """The examples of all parts."""
        columns: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS}
        return replace(parts[0], **columns)


_COLUMNS = ("length", "tokens", "exact", "correct", "edits", "bleu")


@dataclass(frozen=True)
class ContinuousScores:
    """Scores of n examples with continuous targets.

    `length`: target positions, `[n]`. `sums`: measure -> numerators and denominators, `[n, 2]`.
    """

    length: Any
    sums: dict[str, Any]

    def __len__(self) -> int:
        return len(self.length)

    @property
    def tokens(self) -> Any:
        """The number of positions: continuous targets have no end symbol."""
        return self.length

    def select(self, rows: Any) -> "ContinuousScores":
        """The examples where the mask `rows` is True."""
        return ContinuousScores(self.length[rows], {name: sums[rows] for name, sums in self.sums.items()})

    def fractions(self) -> dict[str, tuple[Any, Any]]:
        """See `SymbolScores.fractions`."""
        return {name: (sums[:, 0], sums[:, 1]) for name, sums in self.sums.items()}

    @classmethod
    def concatenate(cls, parts: "list[ContinuousScores]") -> "ContinuousScores":
        """The examples of all parts."""
        sums = {name: np.concatenate([part.sums[name] for part in parts]) for name in parts[0].sums}
        return cls(np.concatenate([part.length for part in parts]), sums)


Scores = SymbolScores | ContinuousScores


def score_symbols(comparison: Comparison, vocabulary: Vocabulary) -> SymbolScores:
    """The scores of predictions and the targets that they were compared with."""
    ids, mask, target, target_mask, correct = comparison
    length, predicted = _lengths(target, target_mask, vocabulary.end), _lengths(ids, mask, vocabulary.end)
    edits = edit_distances(ids.numpy(), predicted, target.numpy(), length)
    exact, tokens = comparison.exact.numpy().astype(int), comparison.tokens.numpy()
    return SymbolScores(length, tokens, exact, correct.sum(1).numpy(), edits, np.zeros((len(edits), 0)))


def score_continuous(predicted: Tensor, batch: Batch, metrics: Mapping[str, Metric]) -> ContinuousScores:
    """Compare predictions `[B, T, F]` with the targets of a batch: `ERRORS`, and the metrics of decoded values."""
    length = batch.target_mask.sum(1).double()
    error = (predicted.double() - batch.target.double()).masked_fill(~batch.target_mask[:, :, None], 0)
    errors = (error**2).mean(2).sum(1), error.abs().mean(2).sum(1)
    sums = {name: torch.stack([summed, length], 1) for name, summed in zip(ERRORS, errors, strict=True)}
    rows = [batch[i : i + 1] for i in range(len(batch))]
    for name, metric in metrics.items():
        if metric.predictions == "decoded":
            sums[name] = torch.stack([metric.sums(predicted[i : i + 1], row) for i, row in enumerate(rows)])
    return ContinuousScores(length.long().numpy(), {name: both.numpy() for name, both in sums.items()})


def _lengths(ids: Tensor, mask: Tensor, end: int | None) -> Any:
    """The number of symbols before the end symbol, `[B]`."""
    return (mask if end is None else mask & (ids != end)).sum(1).numpy()
