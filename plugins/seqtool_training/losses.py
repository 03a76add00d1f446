"""Losses."""

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqtool.api import Batch, Factory, Loss, MinLen, NonNegative, PartError, Probability

IGNORED = -100
NARROW = 16
"""Of fewer symbols, a softmax along the last dimension takes torch up to three times as long as along another."""


class CrossEntropy(Loss):
    """The mean of -log p(gold symbol) over real target positions, in nats.

    Equation:
        L = sum_i sum_y -q_i(y) log p_i(y) / number of real positions,  q_i = 1 at the gold symbol, 0 elsewhere;
        with label smoothing q_i = 1 - s + s / V at the gold symbol, s / V elsewhere

    Source: Bengio et al. 2003, Journal of Machine Learning Research 3; label smoothing: Szegedy et al. 2016,
    arXiv 1512.00567, section 7.

    When to use: whenever symbols are predicted. Label smoothing (0.1, say) helps large vocabularies and beam search; it
    fights decoders that copy, since it wants every symbol to be possible.

    Args:
        label_smoothing: s, the share of each target that is spread over all symbols.
    """

    default = True

    def __init__(self, *, label_smoothing: Probability = 0.0) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, weights: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor]:
        """See `Loss.forward`."""
        gold = torch.where(batch.target_mask, batch.target, IGNORED)
        apart = logits.device.type == "cpu" and logits.shape[2] < NARROW  # no deterministic implementation on CUDA
        written = (logits.transpose(1, 2), gold) if apart else (logits.flatten(0, 1), gold.flatten())
        total = F.cross_entropy(*written, ignore_index=IGNORED, reduction="sum", label_smoothing=self.label_smoothing)
        return total, batch.target_mask.sum()


class MSE(Loss):
    """The mean square of the errors of values, over real target positions and their numbers.

    Equation:
        L = sum_i sum_f (o_if - y_if)^2 / F / number of real positions,  o what the model writes, y the target

    Source: the usual definition; Raffel & Ellis 2015, arXiv 1512.08756, section 3, for adding and multiplication.

    When to use: whenever values are predicted.
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
    """Several losses, each multiplied with its factor.

    Equation:
        L = sum_k factor_k L_k,  L_k = sum of loss k / count of loss k

    Source: the usual definition; with `coverage`: See et al. 2017, arXiv 1704.04368, eq. 13.

    When to use: to attach a loss on the weights (`coverage`, `guided_attention`) to the loss on the symbols.

    Args:
        losses: what is added up. The mean of each is over what it counts in a batch; the order does not matter.
        factors: one for each loss; null for 1 each.

    Raises:
        PartError: as many factors as losses are needed.
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
        """See `Loss.forward`; the count is that of real target positions, and the sum that many times L."""
        total, tokens = logits.new_zeros(()), batch.target_mask.sum()
        for factor, loss in zip(self.factors, self.losses, strict=True):
            one, count = loss(logits, weights, batch)
            wide = torch.promote_types(one.dtype, torch.float32)
            ratio = tokens.to(wide) / count.clamp(min=1).to(wide)  # exactly 1 where the loss counts all of them
            total = total + factor * one * ratio.to(one.dtype)
        return total, tokens
