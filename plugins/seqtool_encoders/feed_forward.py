"""One layer for each position independently. Raffel & Ellis 2015, arXiv 1512.08756, section 3."""

from torch import Tensor, nn
from torch.nn import functional as F

from seqtool.api import Encoded, Encoder, Size


class FeedForwardEncoder(Encoder):
    """One layer of leaky rectifiers, applied to each position independently; no final state.

    Equation:
        h_j = lrelu(W x_j + b),  lrelu(z) = max(z, 0.01 z)

    Source: Raffel & Ellis 2015, arXiv 1512.08756, section 3, with the paper's initial values: W normal with standard
    deviation 1 / sqrt(I), b zero.

    When to use: where positions are independent of one another and only attention combines them, as in the tasks adding
    and multiplication. All positions are computed in parallel.

    Args:
        input_size: I, the size of x.
        hidden_size: H, the size of h and of a memory vector.
    """

    def __init__(self, input_size: int, *, hidden_size: Size) -> None:
        super().__init__()
        self.memory_size = hidden_size
        self.final_sizes = ()
        self.map = nn.Linear(input_size, hidden_size)
        nn.init.normal_(self.map.weight, std=input_size**-0.5)
        nn.init.zeros_(self.map.bias)

    def forward(self, x: Tensor, mask: Tensor) -> Encoded:
        """See `Encoder.forward`."""
        padding = ~mask[:, :, None]
        h = F.leaky_relu(self.map(x.masked_fill(padding, 0)), 0.01)
        return Encoded(h.masked_fill(padding, 0), mask, ())
