"""The contract of a loss."""

from torch import Tensor, nn

from seqtool.parts.batch import Batch


class Loss(nn.Module):
    """Takes `(*, ...)`. Returns a sum and a count, so that the mean is right over batches and ranks of any size.

    Attributes:
        requires: what must be there, see `REQUIREMENTS`: "symbols" or "continuous" targets, or neither for both;
            attention "weights"; a gold "alignment". A recipe without it is refused.
        default: whether it is the loss of a training that names none and has what it requires. One part may be.
    """

    kind = "loss"
    requires: frozenset[str] = frozenset({"symbols"})
    default: bool = False

    def forward(self, logits: Tensor, weights: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor]:
        """`logits [B, T, V]`, `weights [B, N, T, S]` or None -> `(sum, count)`, two scalars over real tokens.

        For a continuous target `[B, T, F]` logits are the predicted values, `[B, T, F]`.
        """
        raise NotImplementedError
