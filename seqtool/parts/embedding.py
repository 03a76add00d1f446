"""The contract of an embedding: symbols, or values, -> vectors."""

from torch import Tensor, nn

from seqtool.parts.vocabulary import Form


class Embedding(nn.Module):
    """Takes `(vocabulary, *, ...)`.

    Attributes:
        output_size: E, the width of a vector.
        forms: which sides it embeds: "symbols" (a `Vocabulary`), "values" (`Values`), or both.
    """

    kind = "embedding"
    output_size: int
    forms: tuple[Form, ...] = ("symbols",)

    def forward(self, ids: Tensor) -> Tensor:
        """`ids [B, S]` int64, or values `[B, S, F]`, -> `[B, S, E]`."""
        raise NotImplementedError
