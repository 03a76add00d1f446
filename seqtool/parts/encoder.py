"""The contract of an encoder: source vectors -> memory."""

from torch import Tensor, nn

from seqtool.parts.kernel import NO_KERNELS, Kernels
from seqtool.parts.types import Encoded


class Encoder(nn.Module):
    """Takes `(input_size, *, ...)`.

    Attributes:
        memory_size: M, the size of a memory vector.
        final_sizes: the number of elements per row of each leaf of `final`; `()` if there is no final state.
    """

    kind = "encoder"
    kernels: Kernels = NO_KERNELS
    memory_size: int
    final_sizes: tuple[int, ...]

    def forward(self, x: Tensor, mask: Tensor) -> Encoded:
        """`x [B, S, I]`, `mask [B, S]` -> `Encoded(memory [B, S', M], mask [B, S'], final)`."""
        raise NotImplementedError
