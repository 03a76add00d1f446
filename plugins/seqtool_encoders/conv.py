"""A convolutional encoder. Gehring et al. 2017, arXiv 1611.02344 and 1705.03122."""

from torch import Tensor, nn
from torch.nn import functional as F

from seqtool.api import Depth, Encoded, Encoder, PartError, Probability, Size
from seqtool_encoders.sinusoids import sinusoids


class Conv(Encoder):
    """Layers of convolutions over the source with gated linear units and residual connections; no final state.

    Equation:
        h^0_j = E x_j + position_j
        [a; b] = W [h^{l-1}_{j-k/2}; ...; h^{l-1}_{j+k/2}] + bias;  h^l_j = sqrt(1/2) (a sigma(b) + h^{l-1}_j)

    Source: Gehring et al. 2017, arXiv 1705.03122, sections 3.2 and 3.4; with recurrent decoders: 1611.02344.
    Positions are sinusoids (Vaswani et al. 2017, arXiv 1706.03762, section 3.5), which do not limit the length.

    When to use: long sources with local structure. All positions are computed in parallel; each depends on the
    (k - 1) / 2 positions per layer to either side. There is no final state, so the decoder needs attention and
    `bridge: zero`.

    Args:
        input_size: I, the size of x.
        hidden_size: H, the size of h and of a memory vector.
        layers: the number of convolutions.
        kernel_size: k, the number of positions that a convolution reads; odd, so that it is symmetric.
        positions: add position embeddings to the input.
        dropout: the dropout probability of the input of each convolution.

    Raises:
        PartError: `kernel_size` is even.
    """

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: Size,
        layers: Depth = 2,
        kernel_size: Size = 3,
        positions: bool = True,
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise PartError(f"kernel_size {kernel_size} is even", option="kernel_size", allowed="odd numbers")
        self.memory_size = hidden_size
        self.final_sizes = ()
        self.positions = positions
        self.dropout = dropout
        self.map = nn.Linear(input_size, hidden_size)
        self.layers = nn.ModuleList(
            nn.Conv1d(hidden_size, 2 * hidden_size, kernel_size, padding=kernel_size // 2) for _ in range(layers)
        )

    def forward(self, x: Tensor, mask: Tensor) -> Encoded:
        """See `Encoder.forward`. Padding is zeroed before every convolution, as positions beyond the ends are."""
        padding = ~mask[:, :, None]
        h = self.map(x.masked_fill(padding, 0))
        if self.positions:
            h = h + sinusoids(h)
        h = h.masked_fill(padding, 0)
        for layer in self.layers:
            dropped = F.dropout(h, self.dropout, self.training)
            gated = F.glu(layer(dropped.transpose(1, 2)), 1).transpose(1, 2)
            h = ((gated + h) * 0.5**0.5).masked_fill(padding, 0)
        return Encoded(h, mask, ())
