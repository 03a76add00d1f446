"""Sigmoid weights, each position independently. Hochreiter & Schmidhuber 1997, the gates of the LSTM."""

from torch import Tensor

from seqtool.api import Normalizer, Tree


class Sigmoid(Normalizer):
    """Weights between 0 and 1, each position independently of the others.

    Equation:
        a_ij = 1 / (1 + exp(-e_ij))

    Source: the gate of an LSTM, Hochreiter & Schmidhuber 1997, applied to positions.

    When to use: where no, one or many positions may be relevant, as in sums over a source. The context grows with their
    number. Decoders that copy reject it, since its weights do not sum to one.

    Args:
        query_size: Q; unused.
    """

    normalized = False

    def __init__(self, query_size: int) -> None:
        super().__init__()

    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        """See `Normalizer.forward`."""
        return scores.sigmoid(), state
