"""The contract of a loss."""

from torch import Tensor, nn

from seqtool.parts.batch import Batch
from seqtool.parts.vocabulary import Form


class Loss(nn.Module):
    """Takes `(*, ...)`. Returns a sum and a count, so that the mean is right over batches and ranks of any size.

    Attributes:
        needs_weights: whether it looks at the weights of an attention; a decoder without one is then refused.
        needs_alignment: whether it learns from gold alignments; a task without any is then refused.
        forms: which targets it can judge: "symbols", "values", or both; tasks with others are refused.
    """

    kind = "loss"
    needs_weights: bool = False
    needs_alignment: bool = False
    forms: tuple[Form, ...] = ("symbols",)

    def forward(self, logits: Tensor, weights: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor]:
        """`logits [B, T, V]`, `weights [B, N, T, S]` or None -> `(sum, count)`, two scalars over real tokens.

        For a target of values `[B, T, F]` logits are the values that the model writes, `[B, T, F]`.
        """
        raise NotImplementedError
