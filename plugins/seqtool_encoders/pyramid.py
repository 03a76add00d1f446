"""A pyramidal recurrent encoder. Chan et al. 2016, arXiv 1508.01211, eq. 5."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqtool.api import Cell, Depth, Encoded, Encoder, Factory
from seqtool_encoders.rnn import RNNEncoder


class Pyramid(Encoder):
    """A recurrent encoder with L further layers that each read pairs of positions: a memory 2^L times shorter.

    Equation:
        h^0 = rnn(x);  h^l_j = rnn([h^{l-1}_{2j}; h^{l-1}_{2j+1}]);  the memory is h^L

    Source: Chan et al. 2016, arXiv 1508.01211, section 3.1, eq. 5; any cell instead of the LSTM.

    When to use: sources much longer than their targets (speech frames, characters of sentences). Attention and upper
    layers have fewer positions to process. Not for decoders that copy, since positions are merged.

    A source of n real positions gives a memory of n / 2^L, rounded up at each layer; a last odd position is paired with
    zeros. `final` contains the states of every layer, the lowest first.

    Args:
        input_size: I, the size of x.
        cell: the cell of every layer and direction.
        halvings: L, the number of layers above the first.
        bidirectional: read the source in both directions.
    """

    def __init__(
        self, input_size: int, *, cell: Factory[Cell], halvings: Depth = 1, bidirectional: bool = True
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList([RNNEncoder(input_size, cell=cell, bidirectional=bidirectional)])
        for _ in range(halvings):
            below = self.layers[-1].memory_size
            self.layers.append(RNNEncoder(2 * below, cell=cell, bidirectional=bidirectional))
        self.memory_size = self.layers[-1].memory_size
        self.final_sizes = tuple(size for layer in self.layers for size in layer.final_sizes)

    def forward(self, x: Tensor, mask: Tensor) -> Encoded:
        """See `Encoder.forward`."""
        first, *upper = self.layers
        encoded: Encoded = first(x, mask)
        final = encoded.final
        for layer in upper:
            encoded = layer(pairs(encoded.memory), encoded.mask[:, ::2].contiguous())
            final += encoded.final
        return encoded._replace(final=final)


def pairs(x: Tensor) -> Tensor:
    """Adjacent positions concatenated: `[B, S, F]` -> `[B, (S + 1) // 2, 2 F]`; an odd last one with zeros."""
    even = F.pad(x, (0, 0, 0, x.shape[1] % 2))
    return torch.cat([even[:, ::2], even[:, 1::2]], 2)
