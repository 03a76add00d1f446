"""Weights between softmax and sparsemax. Peters et al. 2019, arXiv 1905.05702."""

import entmax
from torch import Tensor

from seqtool.api import Normalizer, Tree
from seqtool_attention.sparsemax import shifted


class Entmax15(Normalizer):
    """Half way from softmax to sparsemax: weights that sum to one, with exact zeros and smooth edges.

    Equation:
        a_i = argmax_p p . e_i + (4/3) sum_j (p_j - p_j^1.5),  p >= 0, sum_j p_j = 1
        that is a_ij = max(e_ij / 2 - tau, 0)^2

    Source: Peters et al. 2019, arXiv 1905.05702, eqs 8-10, alpha = 1.5.

    When to use: where most positions should weigh exactly nothing, yet softmax's ease of training is wanted: it drops
    fewer positions than `sparsemax`, and weights reach zero smoothly.

    Args:
        query_size: Q; not looked at.
    """

    def __init__(self, query_size: int) -> None:
        super().__init__()

    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        """See `Normalizer.forward`."""
        return entmax.entmax15(shifted(scores), -1), state
