"""No encoder: the decoder attends to the embedded source itself."""

from torch import Tensor

from seqtool.api import Encoded, Encoder, known_full


class Identity(Encoder):
    """The embedded source is the memory; there is no final state.

    Equation:
        h_j = x_j

    Source: the attentive LSTM of the recurrent-attention example that the alignment task comes from.

    When to use: to attend to the symbols themselves. Content-based scorers do not distinguish equal symbols: use a
    scorer that depends on positions, such as `gmm`.

    Args:
        input_size: I, the size of x and of a memory vector.
    """

    def __init__(self, input_size: int) -> None:
        super().__init__()
        self.memory_size = input_size
        self.final_sizes = ()

    def forward(self, x: Tensor, mask: Tensor) -> Encoded:
        """See `Encoder.forward`."""
        return Encoded(x if known_full(mask) else x.masked_fill(~mask[:, :, None], 0), mask, ())
