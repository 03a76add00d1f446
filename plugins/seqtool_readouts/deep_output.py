"""Deep output with maxout units. Bahdanau et al. 2015, arXiv 1409.0473, A.2.2."""

from torch import Tensor, nn

from seqtool.api import Readout, Size


class DeepOutput(Readout):
    """One hidden layer of maxout units, then an affine map.

    Equation:
        t = max over k of (U_k features + b_k);  logits = W t + b

    Source: Bahdanau et al. 2015, arXiv 1409.0473, A.2.2; maxout: Goodfellow et al. 2013, arXiv 1302.4389.

    The paper's features are the last state, the context and the last symbol: `features: [output, context, input]` in
    `attend_before` and `attend_inside`, where the state is the new one.

    When to use: a large vocabulary, or a decoder whose state should not also have to represent the next symbol.

    Args:
        feature_size: D, the size of the features.
        output_size: V, the number of target symbols.
        hidden_size: the size of t.
        pieces: the number of affine maps in a maxout unit.
    """

    def __init__(self, feature_size: int, output_size: int, *, hidden_size: Size, pieces: Size = 2) -> None:
        super().__init__()
        self.pieces = pieces
        self.hidden = nn.Linear(feature_size, hidden_size * pieces)
        self.map = nn.Linear(hidden_size, output_size)

    def forward(self, features: Tensor) -> Tensor:
        """See `Readout.forward`."""
        units = self.hidden(features).unflatten(-1, (-1, self.pieces))
        return self.map(units.amax(-1))
