"""Accuracies."""

import torch
from torch import Tensor

from seqtool.api import Batch, Metric, Positive


class TokenAccuracy(Metric):
    """The share of target symbols that are right when the gold symbols before them are given (teacher forcing).

    Equation:
        sum_i [argmax_y p(y | gold y_1 .. y_{i-1}) = y_i] / number of real positions

    Source: the usual definition; the end symbol counts as a symbol.

    When to use: to follow training; kinder than what the model does by itself, since every mistake is taken back.
    """

    predictions = "teacher_forced"
    default = True

    def sums(self, predicted: Tensor, batch: Batch) -> Tensor:
        """See `Metric.sums`."""
        right = (predicted == batch.target) & batch.target_mask
        return torch.stack([right.sum(), batch.target_mask.sum()]).double()


class DecodedTokenAccuracy(TokenAccuracy):
    """The share of target symbols that are right when the model feeds itself (free-running search).

    Equation:
        sum_i [decoded y_i = gold y_i] / number of real positions

    Source: the usual definition; the end symbol counts as a symbol.

    When to use: to see how mistakes pile up when the model feeds itself: compare with `token_accuracy`.
    """

    predictions = "decoded"
    default = False


class SequenceAccuracy(Metric):
    """The share of targets that free-running search writes without any fault.

    Equation:
        sum over examples of [all decoded y_i = gold y_i] / number of examples

    Source: the usual definition, exact match; the end symbol counts as a symbol.

    When to use: when only a wholly right target is of use (pronunciations, inflections, dates).
    """

    predictions = "decoded"
    default = True

    def sums(self, predicted: Tensor, batch: Batch) -> Tensor:
        """See `Metric.sums`."""
        right = ((predicted == batch.target) | ~batch.target_mask).all(1)
        return torch.stack([right.sum(), torch.full_like(right.sum(), len(batch))]).double()


class Within(Metric):
    """The share of targets that free-running search writes with every value near enough to its own.

    Equation:
        sum over examples of [all |o_if - y_if| < tolerance] / number of examples

    Source: Raffel & Ellis 2015, arXiv 1512.08756, section 3, after Hochreiter & Schmidhuber 1997, section 5.4.

    When to use: values that are right when they are near: adding and multiplication, where it is called accuracy.

    Args:
        tolerance: how far a value may be from its own.
    """

    predictions = "decoded"
    requires = frozenset({"continuous"})
    default = True

    def __init__(self, *, tolerance: Positive = 0.04) -> None:
        self.tolerance = tolerance

    def sums(self, predicted: Tensor, batch: Batch) -> Tensor:
        """See `Metric.sums`."""
        near = ((predicted - batch.target).abs() < self.tolerance).all(2)
        right = (near | ~batch.target_mask).all(1)
        return torch.stack([right.sum(), torch.full_like(right.sum(), len(batch))]).double()
