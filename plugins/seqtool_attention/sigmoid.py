"""Each position by itself: sigmoid weights."""

from torch import Tensor

from seqtool.api import Normalizer, Tree


class Sigmoid(Normalizer):
    """Weights between 0 and 1, each by itself; no position takes weight from another.

    Equation:
        a_ij = 1 / (1 + exp(-e_ij))

    Source: the gate of an LSTM, Hochreiter & Schmidhuber 1997, set over positions.

    When to use: where none, one or many positions may count, as in sums over a source. The context grows with how many
    do; decoders that copy refuse it, since its weights do not sum to one.

    Args:
        query_size: Q; not looked at.
    """

    normalized = False

    def __init__(self, query_size: int) -> None:
        super().__init__()

    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        """See `Normalizer.forward`."""
        return scores.sigmoid(), state
