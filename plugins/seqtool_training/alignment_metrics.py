"""Where the largest weight of each target symbol lies, against the gold alignment."""

import torch
from torch import Tensor

from seqtool.api import Batch, Count, Metric


class AlignmentMetric(Metric):
    """Compares places: a subclass writes `right`.

    A target symbol's place is that of its largest weight, of the mean over heads. Symbols without a gold place are left
    out, and a symbol that looks at nothing (all weights 0) is never right. A memory that is not as long as the source
    has other places than the gold ones, and then nothing is measured.
    """

    predictions = "teacher_forced"
    requires = frozenset({"weights", "alignment"})
    default = True

    def weight_sums(self, weights: Tensor, memory_mask: Tensor, batch: Batch) -> Tensor:
        """See `Metric.weight_sums`."""
        if weights.shape[3] != batch.source_mask.shape[1]:
            return torch.zeros(len(batch), 2, dtype=torch.float64, device=weights.device)
        largest, place = weights.mean(1).max(2)
        known = batch.target_mask & (batch.alignment >= 0)
        looks = known & (largest > 0)
        right = looks & self.right(place, batch.alignment, known)
        return self.counted(right.sum(1), looks.sum(1), known.sum(1)).double()

    def right(self, place: Tensor, gold: Tensor, known: Tensor) -> Tensor:
        """`place [B, T]`, `gold [B, T]`, `known [B, T]` -> which places are right, `[B, T]`."""
        return place == gold

    def counted(self, right: Tensor, looks: Tensor, known: Tensor) -> Tensor:
        """How many symbols are right, look anywhere, and have a gold place, each `[B]` -> `[B, 2]`."""
        return torch.stack([right, known], 1)


class AlignmentExact(AlignmentMetric):
    """The share of target symbols whose largest weight lies exactly on the gold place.

    Equation:
        sum_i [argmax_j a_ij = g_i] / number of symbols with a gold place g_i

    Source: the usual definition; largest weights as links: Luong et al. 2015, arXiv 1508.04025, section 5.4.

    When to use: an encoder that reads each place alone (identity). A recurrent one may keep a symbol a step or two
    beside its place, and then `alignment_near` tells more.
    """


class AlignmentNear(AlignmentMetric):
    """The share of target symbols whose largest weight lies within some places of the gold one.

    Equation:
        sum_i [|argmax_j a_ij - g_i| <= distance] / number of symbols with a gold place g_i

    Source: our own; the tolerance is for recurrent encoders, whose state carries what was read a few places before.

    When to use: beside `alignment_exact`, wherever the encoder is recurrent.

    Args:
        distance: how many places away is still near.
    """

    def __init__(self, *, distance: Count = 3) -> None:
        self.distance = distance

    def right(self, place: Tensor, gold: Tensor, known: Tensor) -> Tensor:
        """See `AlignmentMetric.right`."""
        return (place - gold).abs() <= self.distance


class AlignmentNearest(AlignmentMetric):
    """The share of target symbols whose largest weight lies nearer to their own gold place than to any other's.

    Equation:
        sum_i [|p_i - g_i| = min_k |p_i - g_k|] / number of symbols with a gold place g_i,  p_i = argmax_j a_ij

    Source: our own. Two gold places at the same distance are both the nearest.

    When to use: to see whether the path is right where it is not exact: a model that is always one place early has
    most of it, one that does not move has hardly any.
    """

    def right(self, place: Tensor, gold: Tensor, known: Tensor) -> Tensor:
        """See `AlignmentMetric.right`."""
        distance = (place[:, :, None] - gold[:, None, :]).abs()  # [B, T, T]
        farthest = torch.iinfo(distance.dtype).max
        nearest = distance.masked_fill(~known[:, None, :], farthest).amin(2)
        return (place - gold).abs() == nearest


class AlignmentF1(AlignmentMetric):
    """The harmonic mean of precision and recall of the links that the largest weights make.

    Equation:
        2 |A and G| / (|A| + |G|),  A: the links (i, argmax_j a_ij),  G: the gold links (i, g_i)

    Source: van Rijsbergen 1979, Information Retrieval, chapter 7; of alignments: Och & Ney 2003, Computational
    Linguistics 29(1). A symbol that looks at nothing makes no link.

    When to use: to compare with alignments in the literature. With one gold link a symbol it differs from
    `alignment_exact` only where an attention may look at nothing.
    """

    def counted(self, right: Tensor, looks: Tensor, known: Tensor) -> Tensor:
        """See `AlignmentMetric.counted`."""
        return torch.stack([2 * right, looks + known], 1)


class AlignmentErrorRate(AlignmentF1):
    """One minus the F1 of the links that the largest weights make.

    Equation:
        1 - (|A and S| + |A and P|) / (|A| + |S|),  A: the links (i, argmax_j a_ij),  S = P: the gold links (i, g_i)

    Source: Och & Ney 2003, Computational Linguistics 29(1). Theirs tells sure links S from possible ones P;
    ours are all sure.

    When to use: to compare with alignments in the literature.
    """

    higher_is_better = False

    def compute(self, sums: Tensor) -> float:
        """See `Metric.compute`."""
        return 1 - super().compute(sums)
