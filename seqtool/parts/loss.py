"""The contract of a loss."""

from torch import Tensor, nn

from seqtool.parts.batch import Batch


class Loss(nn.Module):
    """Takes `(*, ...)`. Returns a sum and a count, so that the mean is right over batches and ranks of any size.

    Attributes:
        needs_weights: whether it looks at the weights of an attention; a decoder without one is then refused.
    """

    kind = "loss"
    needs_weights: bool = False

    def forward(self, logits: Tensor, weights: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor]:
        """`logits [B, T, V]`, `weights [B, N, T, S]` or None -> `(sum, count)`, two scalars over real tokens."""
        raise NotImplementedError
