"""Metrics of attention weights that need no gold alignment."""

import torch
from torch import Tensor

from seqtool.api import Batch, Metric


class AttentionMetric(Metric):
    """Base class for metrics of the normalized weights p_ij = a_ij / sum_j a_ij; a subclass defines `values`.

    The result is the mean over heads and real target symbols. Symbols whose weights are all 0 are omitted. Negative
    weights count as 0.
    """

    predictions = "teacher_forced"
    requires = frozenset({"weights"})
    default = True

    def weight_sums(self, weights: Tensor, memory_mask: Tensor, batch: Batch) -> Tensor:
        """See `Metric.weight_sums`."""
        weights = weights.clamp(min=0)
        total = weights.sum(3)
        attends = (total > 0) & batch.target_mask[:, None]
        values, counted = self.values(weights, total.where(total > 0, 1), attends, memory_mask)
        values = values.double().masked_fill(~counted, 0)
        return torch.stack([values.flatten(1).sum(1), counted.flatten(1).sum(1).double()], 1)

    def values(self, weights: Tensor, total: Tensor, attends: Tensor, memory_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Values to average, and a mask of the same shape `[B, ...]` that selects them.

        Implementations avoid a second tensor of the size of `weights` if they can.

        Args:
            weights: `[B, N, T, M]`.
            total: the sums over M, `[B, N, T]`.
            attends: `[B, N, T]`, False at padding and where all weights are 0.
            memory_mask: `[B, M]`.
        """
        raise NotImplementedError


class AttentionEntropy(AttentionMetric):
    """The entropy of the weights of a target symbol, in nats: 0 for one position, log n for n equal weights.

    Equation:
        mean over i of -sum_j p_ij log p_ij,  p_ij = a_ij / sum_j a_ij

    Source: Shannon 1948, Bell System Technical Journal 27; of attention: Ghader & Monz 2017, arXiv 1710.03348.

    When to use: to see when the attention becomes focused during training.
    """

    higher_is_better = False

    def values(self, weights: Tensor, total: Tensor, attends: Tensor, memory_mask: Tensor) -> tuple[Tensor, Tensor]:
        """See `AttentionMetric.values`."""
        return torch.special.entr(weights).sum(3) / total + total.log(), attends  # the entropy of a / total


class AttentionNormalizedEntropy(AttentionEntropy):
    """The entropy of the weights divided by its maximum, log n for n real positions.

    Equation:
        mean over i of -sum_j p_ij log p_ij / log n,  p_ij = a_ij / sum_j a_ij,  n the real length of the memory

    Source: Pielou 1966, Journal of Theoretical Biology 13 (there: evenness). Memories of length 1 are omitted.

    When to use: to compare sources, or encoders, of different lengths.
    """

    def values(self, weights: Tensor, total: Tensor, attends: Tensor, memory_mask: Tensor) -> tuple[Tensor, Tensor]:
        """See `AttentionMetric.values`."""
        entropy, attends = super().values(weights, total, attends, memory_mask)
        length = memory_mask.sum(1)[:, None, None]
        return entropy / length.clamp(min=2).log(), attends & (length > 1)


class AttentionSharpness(AttentionMetric):
    """The largest weight of a target symbol.

    Equation:
        mean over i of max_j p_ij,  p_ij = a_ij / sum_j a_ij

    Source: the usual definition.

    When to use: in addition to the entropy, since it is easier to interpret: 1 means a single position.
    """

    def values(self, weights: Tensor, total: Tensor, attends: Tensor, memory_mask: Tensor) -> tuple[Tensor, Tensor]:
        """See `AttentionMetric.values`."""
        return weights.amax(3) / total, attends


class AttentionMonotonicity(AttentionMetric):
    """The fraction of steps between target symbols in which the largest weight does not move back.

    Equation:
        mean over i of [argmax_j a_ij >= argmax_j a_{i-1,j}]

    Source: Raffel et al. 2017, arXiv 1704.00784, section 2: how often the constraint t_i >= t_{i-1} holds.

    When to use: to see whether the attention moves forward: about 0.5 for random positions, 0 for a backward path.
    """

    def values(self, weights: Tensor, total: Tensor, attends: Tensor, memory_mask: Tensor) -> tuple[Tensor, Tensor]:
        """See `AttentionMetric.values`."""
        position = weights.argmax(3)
        return position[:, :, 1:] >= position[:, :, :-1], attends[:, :, 1:] & attends[:, :, :-1]


class AttentionCoverage(AttentionMetric):
    """The fraction of the source that receives attention: each position counts its total weight, at most 1.

    Equation:
        mean over real positions j of min(1, sum_i p_ij),  p_ij = a_ij / sum_j a_ij

    Source: Wu et al. 2016, arXiv 1609.08144, eq. 14, whose coverage penalty sums the logarithms of these numbers.

    When to use: tasks in which every source symbol matters. A target of T symbols covers at most T positions.
    """

    def values(self, weights: Tensor, total: Tensor, attends: Tensor, memory_mask: Tensor) -> tuple[Tensor, Tensor]:
        """See `AttentionMetric.values`."""
        scale = (attends / total).to(weights.dtype)
        covered = (scale.unsqueeze(2) @ weights).squeeze(2).clamp(max=1)  # [B, N, M]
        return covered, memory_mask[:, None].expand_as(covered)
