"""1.5-entmax weights. Peters et al. 2019, arXiv 1905.05702."""

import entmax
from torch import Tensor

from seqtool.api import Normalizer, Tree
from seqtool_attention.sparsemax import shift_scores


class Entmax15(Normalizer):
    """1.5-entmax, between softmax and sparsemax: weights that sum to one and may be exactly zero.

    Equation:
        a_i = argmax_p p . e_i + (4/3) sum_j (p_j - p_j^1.5),  p >= 0, sum_j p_j = 1
        that is a_ij = max(e_ij / 2 - tau, 0)^2

    Source: Peters et al. 2019, arXiv 1905.05702, eqs 8-10, alpha = 1.5.

    When to use: where most weights should be exactly zero and `sparsemax` trains badly. It sets fewer weights to zero,
    and its weights are differentiable where they reach zero.

    Args:
        query_size: Q; unused.
    """

    def __init__(self, query_size: int) -> None:
        super().__init__()

    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        """See `Normalizer.forward`."""
        return entmax.entmax15(shift_scores(scores), -1), state
