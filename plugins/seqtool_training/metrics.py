"""Accuracy of predictions."""

import torch
from torch import Tensor

from seqtool.api import Batch, Metric, Positive


class TokenAccuracy(Metric):
    """The fraction of target symbols predicted correctly under teacher forcing.

    Equation:
        sum_i [argmax_y p(y | gold y_1 .. y_{i-1}) = y_i] / number of real positions

    Source: the usual definition; the end symbol counts as a symbol.

    When to use: to monitor training. It is higher than the accuracy of decoding, where errors accumulate.
    """

    predictions = "teacher_forced"
    default = True

    def sums(self, predicted: Tensor, batch: Batch) -> Tensor:
        """See `Metric.sums`."""
        correct = (predicted == batch.target) & batch.target_mask
        return torch.stack([correct.sum(), batch.target_mask.sum()]).double()


class DecodedTokenAccuracy(TokenAccuracy):
    """The fraction of target symbols that are correct in decoded output.

    Equation:
        sum_i [decoded y_i = gold y_i] / number of real positions

    Source: the usual definition; the end symbol counts as a symbol.

    When to use: to see how errors accumulate in decoding; compare with `token_accuracy`.
    """

    predictions = "decoded"
    default = False


class SequenceAccuracy(Metric):
    """The fraction of targets that are decoded without any error.

    Equation:
        sum over examples of [all decoded y_i = gold y_i] / number of examples

    Source: the usual definition, exact match; the end symbol counts as a symbol.

    When to use: when only a completely correct target is useful (pronunciations, inflections, dates).
    """

    predictions = "decoded"
    default = True

    def sums(self, predicted: Tensor, batch: Batch) -> Tensor:
        """See `Metric.sums`."""
        correct = ((predicted == batch.target) | ~batch.target_mask).all(1)
        return torch.stack([correct.sum(), torch.full_like(correct.sum(), len(batch))]).double()


class Within(Metric):
    """The fraction of continuous targets that are decoded with every value within a tolerance.

    Equation:
        sum over examples of [all |o_if - y_if| < tolerance] / number of examples

    Source: Raffel & Ellis 2015, arXiv 1512.08756, section 3, after Hochreiter & Schmidhuber 1997, section 5.4.

    When to use: continuous targets that count as correct within a tolerance: addition and multiplication, where it is
    called accuracy.

    Args:
        tolerance: the largest absolute error.
    """

    predictions = "decoded"
    requires = frozenset({"continuous"})
    default = True

    def __init__(self, *, tolerance: Positive = 0.04) -> None:
        self.tolerance = tolerance

    def sums(self, predicted: Tensor, batch: Batch) -> Tensor:
        """See `Metric.sums`."""
        near = ((predicted - batch.target).abs() < self.tolerance).all(2)
        correct = (near | ~batch.target_mask).all(1)
        return torch.stack([correct.sum(), torch.full_like(correct.sum(), len(batch))]).double()
