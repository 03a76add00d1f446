"""The contract of an embedding: symbols -> vectors."""

from torch import Tensor, nn


class Embedding(nn.Module):
    """Takes `(vocabulary, *, ...)`.

    Attributes:
        output_size: E, the width of a vector.
    """

    kind = "embedding"
    output_size: int

    def forward(self, ids: Tensor) -> Tensor:
        """`ids [B, S]` int64 -> `[B, S, E]`."""
        raise NotImplementedError
