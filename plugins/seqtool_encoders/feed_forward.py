"""One layer, position by position. Raffel & Ellis 2015, arXiv 1512.08756, section 3."""

from torch import Tensor, nn
from torch.nn import functional as F

from seqtool.api import Encoded, Encoder, Size


class FeedForwardEncoder(Encoder):
    """One layer of leaky rectifiers, the same at every position; no final state.

    Equation:
        h_j = lrelu(W x_j + b),  lrelu(z) = max(z, 0.01 z)

    Source: Raffel & Ellis 2015, arXiv 1512.08756, section 3, with the initial values of theirs: W normal with the
    standard deviation 1 / sqrt(I), b zero.

    When to use: where no position needs to know of another, as in adding and multiplication. All are computed at
    once, and the attention is all that joins them.

    Args:
        input_size: I, the width of x.
        hidden_size: H, the width of h and of the memory.
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
