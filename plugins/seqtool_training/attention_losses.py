"""Losses on attention weights, for any scorer and normalizer. The loss `sum` combines them with others."""

import torch
from torch import Tensor

from seqtool.api import Batch, Loss, PartError, Positive, position_dtype


class AttentionLoss(Loss):
    """A cost for each weight: the mean over heads, summed over real target positions. Subclasses define `costs`."""

    requires = frozenset({"weights"})

    def costs(self, weights: Tensor, batch: Batch) -> Tensor:
        """`weights [B, N, T, S]` -> the cost of each weight, of the same shape."""
        raise NotImplementedError

    def forward(self, logits: Tensor, weights: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor]:
        """See `Loss.forward`."""
        if weights is None:
            raise PartError(f"{type(self).__name__} needs attention weights, but the decoder has no attention")
        costs = self.costs(weights, batch).sum(3).mean(1)
        return costs.masked_fill(~batch.target_mask, 0).sum(), batch.target_mask.sum()

    def expect_source_length(self, weights: Tensor, batch: Batch) -> None:
        """Check that the memory is as long as the source.

        Raises:
            PartError: it is not.
        """
        if weights.shape[3] != batch.source_mask.shape[1]:
            raise PartError(
                f"{type(self).__name__} needs a memory as long as the source: {weights.shape[3]} weights for "
                f"{batch.source_mask.shape[1]} source positions"
            )


class Coverage(AttentionLoss):
    """Penalizes attending to positions that already received attention.

    Equation:
        L = sum_i sum_j min(a_ij, cov_ij) / number of real positions,  cov_ij = a_1j + ... + a_{i-1,j}

    Source: See et al. 2017, arXiv 1704.04368, eqs 10-12; Tu et al. 2016, arXiv 1601.04811, for the idea.

    When to use: when the model repeats itself. See et al. enable it late in training, with the scorer `coverage`.
    """

    def __init__(self) -> None:
        super().__init__()

    def costs(self, weights: Tensor, batch: Batch) -> Tensor:
        """See `AttentionLoss.costs`."""
        steps = weights.shape[2]
        # a matrix product, since the cumulative sum on CUDA is not deterministic
        earlier = torch.ones(steps, steps, dtype=weights.dtype, device=weights.device).tril(-1)
        return torch.minimum(weights, earlier @ weights)


class GuidedAttention(AttentionLoss):
    """Penalizes attention weights far from the diagonal.

    Equation:
        L = sum_i sum_j a_ij (1 - exp(-((j - 1) / S - (i - 1) / T)^2 / (2 g^2))) / T,  S and T each row's real lengths

    Source: Tachibana et al. 2018, arXiv 1710.08969, section 4.1; there the mean over all i and j, which is smaller by a
    factor of S.

    When to use: the alignment is roughly monotonic (speech, pronunciation, transliteration), and the attention learns
    it slowly.

    Args:
        width: g, the distance from the diagonal with little penalty, as a fraction of the length.

    Raises:
        PartError: the encoder shortens the source, so that the real length of the memory is unknown.
    """

    def __init__(self, *, width: Positive = 0.2) -> None:
        super().__init__()
        self.width = width

    def costs(self, weights: Tensor, batch: Batch) -> Tensor:
        """See `AttentionLoss.costs`."""
        self.expect_source_length(weights, batch)
        target, source = (relative_position(mask, weights) for mask in (batch.target_mask, batch.source_mask))
        distance = target.unsqueeze(2) - source.unsqueeze(1)
        penalty = 1 - torch.exp(-(distance**2) / (2 * self.width**2))
        return weights * penalty.to(weights.dtype).unsqueeze(1)


class SupervisedAttention(AttentionLoss):
    """Cross-entropy of the attention weights with the gold alignment.

    Equation:
        L = sum_i -log a_{i g_i} / number of real positions,  over the i with a gold position g_i

    Source: Mi et al. 2016, arXiv 1608.00112, section 3, with one position for each target; Liu et al. 2016,
    arXiv 1609.04186; Chen et al. 2016, arXiv 1607.01628.

    When to use: the task has a gold alignment, and the attention learns it slowly. Targets without a gold position add
    nothing. A weight of exactly 0 (sparsemax, windows) costs 87 and has no gradient.

    Raises:
        PartError: the encoder shortens the source, so that gold positions do not apply to the memory.
    """

    requires = frozenset({"weights", "alignment"})

    def __init__(self) -> None:
        super().__init__()

    def costs(self, weights: Tensor, batch: Batch) -> Tensor:
        """See `AttentionLoss.costs`."""
        self.expect_source_length(weights, batch)
        positions = torch.arange(weights.shape[3], device=weights.device)
        gold = batch.alignment[:, None, :, None] == positions
        costs = -weights.clamp(min=torch.finfo(weights.dtype).tiny).log()
        return costs.masked_fill(~gold, 0)


def relative_position(mask: Tensor, like: Tensor) -> Tensor:
    """The relative position in each row: 0, 1/n, 2/n, ... for n real positions, `[B, L]`."""
    position = torch.arange(mask.shape[1], dtype=position_dtype(like), device=mask.device)
    return position / mask.sum(1, keepdim=True).clamp(min=1)
