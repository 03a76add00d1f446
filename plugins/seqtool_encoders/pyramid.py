"""Recurrent layers that halve the source. Chan et al. 2016, arXiv 1508.01211."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqtool.api import Cell, Depth, Encoded, Encoder, Factory
from seqtool_encoders.rnn import RNNEncoder


class Pyramid(Encoder):
    """A recurrent encoder and layers above it that read neighbours in pairs: a memory 2^L times shorter.

    Equation:
        h^0 = rnn(x);  h^l_j = rnn([h^{l-1}_{2j}; h^{l-1}_{2j+1}]);  the memory is h^L

    Source: Chan et al. 2016, arXiv 1508.01211, section 3.1, eq. 5; any cell in the place of its LSTM.

    When to use: sources far longer than their targets (speech frames, characters of whole sentences): fewer positions
    to attend to, and shorter upper layers. Not where single positions are to be copied or pointed at; pairs are merged.

    A source of n real positions becomes a memory of n / 2^L, rounded up at each layer; the partner of a last odd
    position is zero. `final` holds the states of every layer, the lowest first.

    Args:
        input_size: I, the width of x.
        cell: the cell of every layer and direction.
        halvings: L, how many layers stand above the first.
        bidirectional: read the source both ways.
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
        first, *halving = self.layers
        encoded: Encoded = first(x, mask)
        final = encoded.final
        for layer in halving:
            encoded = layer(pairs(encoded.memory), encoded.mask[:, ::2].contiguous())
            final += encoded.final
        return encoded._replace(final=final)


def pairs(x: Tensor) -> Tensor:
    """Neighbours side by side: `[B, S, F]` -> `[B, (S + 1) // 2, 2 F]`, zeros beside a last odd one."""
    even = F.pad(x, (0, 0, 0, x.shape[1] % 2))
    return torch.cat([even[:, ::2], even[:, 1::2]], 2)
