"""Losses on the weights of an attention, whatever its scorer and normalizer; `sum` adds them to another loss."""

import torch
from torch import Tensor

from seqtool.api import Batch, Loss, PartError, Positive


class AttentionLoss(Loss):
    """A cost for each weight: a subclass writes `costs`. The mean over heads, the sum over real target positions."""

    requires = frozenset({"weights"})

    def costs(self, weights: Tensor, batch: Batch) -> Tensor:
        """`weights [B, N, T, S]` -> what each of them costs, same shape."""
        raise NotImplementedError

    def forward(self, logits: Tensor, weights: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor]:
        """See `Loss.forward`."""
        if weights is None:
            raise PartError(f"{type(self).__name__} looks at the weights of an attention, and there are none")
        costs = self.costs(weights, batch).sum(3).mean(1)
        return costs.masked_fill(~batch.target_mask, 0).sum(), batch.target_mask.sum()

    def expect_source_length(self, weights: Tensor, batch: Batch) -> None:
        """Refuse weights over a memory that is shorter than the source.

        Raises:
            PartError: they are.
        """
        if weights.shape[3] != batch.source_mask.shape[1]:
            raise PartError(
                f"{type(self).__name__} needs a memory as long as the source: {weights.shape[3]} weights for "
                f"{batch.source_mask.shape[1]} source positions"
            )


class Coverage(AttentionLoss):
    """Looking again at what was looked at before costs.

    Equation:
        L = sum_i sum_j min(a_ij, cov_ij) / number of real positions,  cov_ij = a_1j + ... + a_{i-1,j}

    Source: See et al. 2017, arXiv 1704.04368, eqs 10-12; Tu et al. 2016, arXiv 1601.04811, for the idea.

    When to use: when the model repeats itself. See et al. switch it on late, and join it to the scorer `coverage`.
    """

    def __init__(self) -> None:
        super().__init__()

    def costs(self, weights: Tensor, batch: Batch) -> Tensor:
        """See `AttentionLoss.costs`."""
        steps = weights.shape[2]
        # a product, since a cumulative sum on CUDA is not deterministic
        earlier = torch.ones(steps, steps, dtype=weights.dtype, device=weights.device).tril(-1)
        return torch.minimum(weights, earlier @ weights)


class GuidedAttention(AttentionLoss):
    """Weights far from the diagonal cost.

    Equation:
        L = sum_i sum_j a_ij (1 - exp(-((j - 1) / S - (i - 1) / T)^2 / (2 g^2))) / T,  S and T each row's real lengths

    Source: Tachibana et al. 2018, arXiv 1710.08969, section 4.1; there the mean over all i and j, so S times less.

    When to use: source and target run side by side (speech, pronunciation, transliteration), and the attention is slow
    to find it out.

    Args:
        width: g, how far from the diagonal is free, as a share of the whole length.

    Raises:
        PartError: an encoder that shortens the source, so that real lengths of the memory are not known.
    """

    def __init__(self, *, width: Positive = 0.2) -> None:
        super().__init__()
        self.width = width

    def costs(self, weights: Tensor, batch: Batch) -> Tensor:
        """See `AttentionLoss.costs`."""
        self.expect_source_length(weights, batch)
        here, there = (share(mask, weights.dtype) for mask in (batch.target_mask, batch.source_mask))
        distance = here.unsqueeze(2) - there.unsqueeze(1)
        penalty = 1 - torch.exp(-(distance**2) / (2 * self.width**2))
        return weights * penalty.unsqueeze(1)


class SupervisedAttention(AttentionLoss):
    """Weights that miss the gold alignment cost: the attention is taught, not only what is written.

    Equation:
        L = sum_i -log a_{i g_i} / number of real positions,  over the i that have a gold place g_i

    Source: Mi et al. 2016, arXiv 1608.00112, section 3, with one place for each target; Liu et al. 2016,
    arXiv 1609.04186; Chen et al. 2016, arXiv 1607.01628.

    When to use: the task knows the alignment, and the attention is slow to find it; a task without one is refused.
    Targets without a gold place add nothing. A weight of exactly 0 (sparsemax, windows) costs 87 and gets no gradient.

    Raises:
        PartError: an encoder that shortens the source, so that gold places are not those of the memory.
    """

    requires = frozenset({"weights", "alignment"})

    def __init__(self) -> None:
        super().__init__()

    def costs(self, weights: Tensor, batch: Batch) -> Tensor:
        """See `AttentionLoss.costs`."""
        self.expect_source_length(weights, batch)
        places = torch.arange(weights.shape[3], device=weights.device)
        gold = batch.alignment[:, None, :, None] == places
        surprise = -weights.clamp(min=torch.finfo(weights.dtype).tiny).log()
        return surprise.masked_fill(~gold, 0)


def share(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """How far along its row each position is: 0, 1/n, 2/n, ... for n real ones, `[B, L]`."""
    position = torch.arange(mask.shape[1], dtype=dtype, device=mask.device)
    return position / mask.sum(1, keepdim=True).clamp(min=1)
