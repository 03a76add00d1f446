"""Losses."""

import torch
from torch import Tensor
from torch.nn import functional as F

from seqtool.api import Batch, Loss

IGNORED = -100


class CrossEntropy(Loss):
    """The mean of -log p(gold symbol) over real target positions, in nats.

    Equation:
        L = sum_i -log p(y_i) / number of real positions

    Source: Bengio et al. 2003, Journal of Machine Learning Research 3.
    """

    def __init__(self) -> None:
        super().__init__()

    def forward(self, logits: Tensor, weights: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor]:
        """See `Loss.forward`."""
        gold = torch.where(batch.target_mask, batch.target, IGNORED)
        total = F.cross_entropy(logits.flatten(0, 1), gold.flatten(), ignore_index=IGNORED, reduction="sum")
        return total, batch.target_mask.sum()
