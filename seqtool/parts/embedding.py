"""The contract of an embedding: symbols or continuous values -> vectors."""

from torch import Tensor, nn

from seqtool.parts.kernel import NO_KERNELS, Kernels


class Embedding(nn.Module):
    """Takes `(vocabulary, *, ...)`.

    Attributes:
        output_size: E, the embedding size.
        requires: see `REQUIREMENTS`. "symbols" (a `Vocabulary`) or "continuous" (`Continuous`) on the embedded side;
            neither if it embeds both.
    """

    kind = "embedding"
    kernels: Kernels = NO_KERNELS
    output_size: int
    requires: frozenset[str] = frozenset({"symbols"})

    def forward(self, ids: Tensor) -> Tensor:
        """`ids [B, S]` int64, or continuous values `[B, S, F]` -> `[B, S, E]`."""
        raise NotImplementedError
