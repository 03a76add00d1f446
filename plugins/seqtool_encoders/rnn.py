"""A recurrent encoder. Sutskever et al. 2014, arXiv 1409.3215; bidirectional: Schuster & Paliwal 1997."""

import torch
from torch import Tensor, nn

from seqtool.api import Cell, Depth, Encoded, Encoder, Factory, PartError, accelerated, reverse_real, state_layout, tree


class RNNEncoder(Encoder):
    """Layers of any cell over the source, optionally bidirectional.

    Equation:
        h_j = cell(x_j, h_{j-1}); bidirectional: h_j = [forward h_j; backward h_j]
        the next layer's x_j = h_j, with `residual` h_j + x_j if their sizes are equal

    Source: Sutskever et al. 2014, arXiv 1409.3215; bidirectional: Schuster & Paliwal 1997, as in Bahdanau et al. 2015,
    arXiv 1409.0473, section 3.2; `residual`: Wu et al. 2016, arXiv 1609.08144, section 3.1.

    When to use: the default. With `bidirectional` a memory vector depends on the source to both sides of its position,
    which content-based scorers need.

    `final` contains the features of the final state of every layer (`Cell.features`) as vectors, the first layer's
    first; the states of both directions are concatenated.

    Args:
        input_size: I, the size of x.
        cell: the cell of every layer and direction.
        layers: the number of layers.
        bidirectional: read the source in both directions.
        residual: add each layer's input to its output; the memory is the last sum.

    Raises:
        PartError: with `residual`, no layer's output has the size of its input.
    """

    def __init__(
        self,
        input_size: int,
        *,
        cell: Factory[Cell],
        layers: Depth = 1,
        bidirectional: bool = False,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.num_directions = 2 if bidirectional else 1
        self.cells = nn.ModuleList()
        self.is_residual: list[bool] = []
        final_sizes: list[int] = []
        for _ in range(layers):
            directions = [cell(input_size) for _ in range(self.num_directions)]
            self.cells.extend(directions)
            final_sizes += [size * self.num_directions for size in state_layout(directions[0]).sizes]
            output_size = directions[0].output_size * self.num_directions
            self.is_residual.append(residual and output_size == input_size)
            input_size = output_size
        if residual and not any(self.is_residual):
            message = "no layer's output has the size of its input, so nothing can be added"
            raise PartError(message, option="residual", allowed="false, two layers, or equal input and output sizes")
        self.memory_size = input_size
        self.final_sizes = tuple(final_sizes)

    @accelerated
    def forward(self, x: Tensor, mask: Tensor) -> Encoded:
        """See `Encoder.forward`."""
        final: list[Tensor] = []
        for residual, layer in zip(self.is_residual, range(0, len(self.cells), self.num_directions), strict=True):
            outputs, features = self._unroll(self.cells[layer], x, mask)
            if self.num_directions == 2:
                backward, backward_features = self._unroll(self.cells[layer + 1], reverse_real(x, mask), mask)
                outputs = torch.cat([outputs, reverse_real(backward, mask)], 2)
                features = [torch.cat(pair, 1) for pair in zip(features, backward_features, strict=True)]
            final += features
            x = outputs + x.masked_fill(~mask[:, :, None], 0) if residual else outputs
        return Encoded(x, mask, tuple(final))

    @staticmethod
    def _unroll(cell: Cell, x: Tensor, mask: Tensor) -> tuple[Tensor, list[Tensor]]:
        outputs, state = cell.unroll(x, mask, *cell.start(x.shape[0], x))
        return outputs, tree.vectors(cell.features(state))
