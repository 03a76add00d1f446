"""The contract of a loss."""

from torch import Tensor, nn

from seqtool.parts.batch import Batch


class Loss(nn.Module):
    """Takes `(*, ...)`. Returns a sum and a count, from which the mean over batches and ranks of any size is computed.

    Attributes:
        requires: see `REQUIREMENTS`: "symbols" or "continuous" targets, neither for both; attention "weights"; a gold
            "alignment". A recipe that does not meet the requirements is refused.
        default: whether it is used by recipes that name no loss and meet its requirements. At most one loss may fit.
    """

    kind = "loss"
    requires: frozenset[str] = frozenset({"symbols"})
    default: bool = False

    def forward(self, logits: Tensor, weights: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor]:
        """`logits [B, T, V]`, `weights [B, N, T, S]` or None -> `(sum, count)`, two scalars over real tokens.

        For a continuous target `[B, T, F]`, `logits` are the predicted values `[B, T, F]`.
        """
        raise NotImplementedError
