"""How an attention looks, whether or not anyone knows where it should."""

import torch
from torch import Tensor

from seqtool.api import Batch, Metric


class AttentionMetric(Metric):
    """Looks at shares p_ij = a_ij / sum_j a_ij, heads apart: a subclass writes `values`.

    The mean over heads and real target symbols. Symbols that look at nothing (all weights 0) are left out, and negative
    weights count as none.
    """

    predictions = "teacher_forced"
    requires = frozenset({"weights"})
    default = True

    def weight_sums(self, weights: Tensor, memory_mask: Tensor, batch: Batch) -> Tensor:
        """See `Metric.weight_sums`."""
        weights = weights.clamp(min=0)
        total = weights.sum(3)
        looks = (total > 0) & batch.target_mask[:, None]
        values, counted = self.values(weights, total.where(total > 0, 1), looks, memory_mask)
        values = values.double().masked_fill(~counted, 0)
        return torch.stack([values.flatten(1).sum(1), counted.flatten(1).sum(1).double()], 1)

    def values(self, weights: Tensor, total: Tensor, looks: Tensor, memory_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Weights and their sums over places -> what is added up, and what of it counts, alike in shape, `[B, ...]`.

        `weights [B, N, T, M]`, `total [B, N, T]`, and `looks [B, N, T]`, False at padding and where a symbol does not
        look anywhere. The forms below hold no second tensor of the size of the weights where they can do without.
        """
        raise NotImplementedError


class AttentionEntropy(AttentionMetric):
    """How spread the weights of a target symbol are, in nats: 0 for one place, log n for n places alike.

    Equation:
        mean over i of -sum_j p_ij log p_ij,  p_ij = a_ij / sum_j a_ij

    Source: Shannon 1948, Bell System Technical Journal 27; of attention: Ghader & Monz 2017, arXiv 1710.03348.

    When to use: to see when in training an attention makes up its mind.
    """

    higher_is_better = False

    def values(self, weights: Tensor, total: Tensor, looks: Tensor, memory_mask: Tensor) -> tuple[Tensor, Tensor]:
        """See `AttentionMetric.values`."""
        return torch.special.entr(weights).sum(3) / total + total.log(), looks  # of a / total


class AttentionNormalizedEntropy(AttentionEntropy):
    """The entropy of the weights as a share of the most that it can be, which is log n for n real places.

    Equation:
        mean over i of -sum_j p_ij log p_ij / log n,  p_ij = a_ij / sum_j a_ij,  n the real length of the memory

    Source: Pielou 1966, Journal of Theoretical Biology 13 (there: evenness). Memories of one place are left out.

    When to use: to compare sources, or encoders, of different lengths.
    """

    def values(self, weights: Tensor, total: Tensor, looks: Tensor, memory_mask: Tensor) -> tuple[Tensor, Tensor]:
        """See `AttentionMetric.values`."""
        entropy, looks = super().values(weights, total, looks, memory_mask)
        length = memory_mask.sum(1)[:, None, None]
        return entropy / length.clamp(min=2).log(), looks & (length > 1)


class AttentionSharpness(AttentionMetric):
    """How much of its weights a target symbol gives to one place.

    Equation:
        mean over i of max_j p_ij,  p_ij = a_ij / sum_j a_ij

    Source: the usual definition.

    When to use: beside the entropy, as a number that is easier to read: 1 for one place.
    """

    def values(self, weights: Tensor, total: Tensor, looks: Tensor, memory_mask: Tensor) -> tuple[Tensor, Tensor]:
        """See `AttentionMetric.values`."""
        return weights.amax(3) / total, looks


class AttentionMonotonicity(AttentionMetric):
    """The share of steps from one target symbol to the next in which the largest weight does not move back.

    Equation:
        mean over i of [argmax_j a_ij >= argmax_j a_{i-1,j}]

    Source: Raffel et al. 2017, arXiv 1704.00784, section 2, whose constraint t_i >= t_{i-1} is counted.

    When to use: to see whether a path runs forward: about a half for one that jumps about, 0 for one that runs back.
    """

    def values(self, weights: Tensor, total: Tensor, looks: Tensor, memory_mask: Tensor) -> tuple[Tensor, Tensor]:
        """See `AttentionMetric.values`."""
        place = weights.argmax(3)
        return place[:, :, 1:] >= place[:, :, :-1], looks[:, :, 1:] & looks[:, :, :-1]


class AttentionCoverage(AttentionMetric):
    """How much of the source was looked at: each place counts as far as its shares add up to 1.

    Equation:
        mean over real places j of min(1, sum_i p_ij),  p_ij = a_ij / sum_j a_ij

    Source: Wu et al. 2016, arXiv 1609.08144, eq. 14, whose coverage penalty adds up the logarithms of the same numbers.

    When to use: where every source symbol should be read; a target of T symbols covers at most T places.
    """

    def values(self, weights: Tensor, total: Tensor, looks: Tensor, memory_mask: Tensor) -> tuple[Tensor, Tensor]:
        """See `AttentionMetric.values`."""
        share = (looks / total).to(weights.dtype)
        covered = (share.unsqueeze(2) @ weights).squeeze(2).clamp(max=1)  # [B, N, M]
        return covered, memory_mask[:, None].expand_as(covered)
