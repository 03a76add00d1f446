"""Compares the largest attention weight of each target symbol with the gold alignment."""

import torch
from torch import Tensor

from seqtool.api import Batch, Count, Metric


class AlignmentMetric(Metric):
    """Base class; a subclass overrides `correct`.

    The position of a target symbol is that of its largest weight, averaged over heads. Symbols without a gold position
    are omitted. A symbol whose weights are all 0 is never correct. Nothing is measured if the memory is not as long as
    the source, since gold positions refer to the source.
    """

    predictions = "teacher_forced"
    requires = frozenset({"weights", "alignment"})
    default = True

    def weight_sums(self, weights: Tensor, memory_mask: Tensor, batch: Batch) -> Tensor:
        """See `Metric.weight_sums`."""
        if weights.shape[3] != batch.source_mask.shape[1]:
            return torch.zeros(len(batch), 2, dtype=torch.float64, device=weights.device)
        largest, position = weights.mean(1).max(2)
        known = batch.target_mask & (batch.alignment >= 0)
        attends = known & (largest > 0)
        correct = attends & self.correct(position, batch.alignment, known)
        return self.counts(correct.sum(1), attends.sum(1), known.sum(1)).double()

    def correct(self, position: Tensor, gold: Tensor, known: Tensor) -> Tensor:
        """`position [B, T]`, `gold [B, T]`, `known [B, T]` -> which positions are correct, `[B, T]`."""
        return position == gold

    def counts(self, correct: Tensor, attends: Tensor, known: Tensor) -> Tensor:
        """Numbers of symbols that are correct, have weights, and have a gold position, each `[B]` -> sums `[B, 2]`."""
        return torch.stack([correct, known], 1)


class AlignmentExact(AlignmentMetric):
    """The fraction of target symbols whose largest weight is at the gold position.

    Equation:
        sum_i [argmax_j a_ij = g_i] / number of symbols with a gold position g_i

    Source: the usual definition; largest weights as links: Luong et al. 2015, arXiv 1508.04025, section 5.4.

    When to use: encoders that encode each position independently (identity). A recurrent encoder may store a symbol a
    step or two beside its position; then use `alignment_near`.
    """


class AlignmentNear(AlignmentMetric):
    """The fraction of target symbols whose largest weight is within some distance of the gold position.

    Equation:
        sum_i [|argmax_j a_ij - g_i| <= distance] / number of symbols with a gold position g_i

    Source: our own. Recurrent encoders need the tolerance, since their state carries symbols a few positions further.

    When to use: with recurrent encoders, in addition to `alignment_exact`.

    Args:
        distance: the largest distance, in source positions.
    """

    def __init__(self, *, distance: Count = 3) -> None:
        self.distance = distance

    def correct(self, position: Tensor, gold: Tensor, known: Tensor) -> Tensor:
        """See `AlignmentMetric.correct`."""
        return (position - gold).abs() <= self.distance


class AlignmentNearest(AlignmentMetric):
    """The fraction of target symbols whose largest weight is nearer to their own gold position than to any other.

    Equation:
        sum_i [|p_i - g_i| = min_k |p_i - g_k|] / number of symbols with a gold position g_i,  p_i = argmax_j a_ij

    Source: our own. Two gold positions at the same distance are both nearest.

    When to use: to see whether the path is correct up to a shift. A model that is always one position early scores
    high; a model whose attention does not move scores low.
    """

    def correct(self, position: Tensor, gold: Tensor, known: Tensor) -> Tensor:
        """See `AlignmentMetric.correct`."""
        distance = (position[:, :, None] - gold[:, None, :]).abs()  # [B, T, T]
        farthest = torch.iinfo(distance.dtype).max
        nearest = distance.masked_fill(~known[:, None, :], farthest).amin(2)
        return (position - gold).abs() == nearest


class AlignmentF1(AlignmentMetric):
    """The F1 score (harmonic mean of precision and recall) of the links given by the largest weights.

    Equation:
        2 |A and G| / (|A| + |G|),  A: the links (i, argmax_j a_ij),  G: the gold links (i, g_i)

    Source: van Rijsbergen 1979, Information Retrieval, chapter 7; of alignments: Och & Ney 2003, Computational
    Linguistics 29(1). A symbol whose weights are all 0 has no link.

    When to use: to compare with alignments in the literature. With one gold link per symbol it differs from
    `alignment_exact` only if all weights of a symbol can be 0.
    """

    def counts(self, correct: Tensor, attends: Tensor, known: Tensor) -> Tensor:
        """See `AlignmentMetric.counts`."""
        return torch.stack([2 * correct, attends + known], 1)


class AlignmentErrorRate(AlignmentF1):
    """One minus the F1 score of the links given by the largest weights.

    Equation:
        1 - (|A and S| + |A and P|) / (|A| + |S|),  A: the links (i, argmax_j a_ij),  S = P: the gold links (i, g_i)

    Source: Och & Ney 2003, Computational Linguistics 29(1). They distinguish sure links S from possible
    links P; here all links are sure.

    When to use: to compare with alignments in the literature.
    """

    higher_is_better = False

    def compute(self, sums: Tensor) -> float:
        """See `Metric.compute`."""
        return 1 - super().compute(sums)
