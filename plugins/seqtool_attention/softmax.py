"""Softmax weights. Bahdanau et al. 2015, arXiv 1409.0473, eq. 6."""

from torch import Tensor

from seqtool.api import Normalizer, Tree


class Softmax(Normalizer):
    """Weights that are positive and sum to one.

    Equation:
        a_ij = exp(e_ij) / sum_k exp(e_ik)

    Source: Bahdanau et al. 2015, arXiv 1409.0473, eq. 6.

    When to use: the default, with any scorer.

    Args:
        query_size: Q; unused.
    """

    def __init__(self, query_size: int) -> None:
        super().__init__()

    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        """See `Normalizer.forward`."""
        return scores.softmax(-1), state
