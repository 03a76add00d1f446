"""Losses."""

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqtool.api import Batch, Factory, Loss, MinLen, NonNegative, PartError, Probability

IGNORED = -100
NARROW = 16
"""With fewer symbols, torch's softmax over the last dimension takes up to three times as long as over another."""


class CrossEntropy(Loss):
    """The mean of -log p(gold symbol) over real target positions, in nats.

    Equation:
        L = sum_i sum_y -q_i(y) log p_i(y) / number of real positions,  q_i = 1 at the gold symbol, 0 elsewhere;
        with label smoothing q_i = 1 - s + s / V at the gold symbol, s / V elsewhere

    Source: Bengio et al. 2003, Journal of Machine Learning Research 3; label smoothing: Szegedy et al. 2016,
    arXiv 1512.00567, section 7.

    When to use: whenever symbols are predicted. Label smoothing (for example 0.1) helps with large vocabularies and
    beam search. It conflicts with copying decoders, since it requires a positive probability of every symbol.

    Args:
        label_smoothing: s, the fraction of each target that is spread over all symbols.
    """

    default = True

    def __init__(self, *, label_smoothing: Probability = 0.0) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, weights: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor]:
        """See `Loss.forward`."""
        gold = torch.where(batch.target_mask, batch.target, IGNORED)
        transpose = logits.device.type == "cpu" and logits.shape[2] < NARROW  # no deterministic implementation on CUDA
        inputs = (logits.transpose(1, 2), gold) if transpose else (logits.flatten(0, 1), gold.flatten())
        total = F.cross_entropy(*inputs, ignore_index=IGNORED, reduction="sum", label_smoothing=self.label_smoothing)
        return total, batch.target_mask.sum()


class MSE(Loss):
    """The mean squared error of continuous targets, over real target positions and features.

    Equation:
        L = sum_i sum_f (o_if - y_if)^2 / F / number of real positions,  o the prediction, y the target

    Source: the usual definition; Raffel & Ellis 2015, arXiv 1512.08756, section 3, for adding and multiplication.

    When to use: whenever continuous targets are predicted.
    """

    requires = frozenset({"continuous"})
    default = True

    def __init__(self) -> None:
        super().__init__()

    def forward(self, logits: Tensor, weights: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor]:
        """See `Loss.forward`."""
        error = (logits - batch.target.to(logits.dtype)).masked_fill(~batch.target_mask[:, :, None], 0)
        return (error**2).mean(2).sum(), batch.target_mask.sum()


class Sum(Loss):
    """A weighted sum of losses.

    Equation:
        L = sum_k factor_k L_k,  L_k = sum of loss k / count of loss k

    Source: the usual definition; with `coverage`: See et al. 2017, arXiv 1704.04368, eq. 13.

    When to use: to add a loss on attention weights (`coverage`, `guided_attention`) to the loss on the symbols.

    Args:
        losses: the losses L_k. Each is a mean over what it counts in a batch.
        factors: one for each loss; null means 1 for all.

    Raises:
        PartError: the numbers of factors and losses differ.
    """

    requires = frozenset()

    def __init__(
        self,
        *,
        losses: Annotated[list[Factory[Loss]], MinLen(1)],
        factors: list[NonNegative] | None = None,
    ) -> None:
        super().__init__()
        self.factors = [1.0] * len(losses) if factors is None else factors
        if len(self.factors) != len(losses):
            raise PartError(
                f"{len(self.factors)} factors for {len(losses)} losses", option="factors", allowed="one for each loss"
            )
        self.losses = nn.ModuleList(loss() for loss in losses)
        self.requires = frozenset().union(*(loss.requires for loss in self.losses))

    def forward(self, logits: Tensor, weights: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor]:
        """See `Loss.forward`. The count is the number of real target positions, and the sum is L times this count."""
        total, tokens = logits.new_zeros(()), batch.target_mask.sum()
        for factor, loss in zip(self.factors, self.losses, strict=True):
            loss_sum, count = loss(logits, weights, batch)
            dtype = torch.promote_types(loss_sum.dtype, torch.float32)
            ratio = tokens.to(dtype) / count.clamp(min=1).to(dtype)  # exactly 1 if the loss counts all real positions
            total = total + factor * loss_sum * ratio.to(loss_sum.dtype)
        return total, tokens
