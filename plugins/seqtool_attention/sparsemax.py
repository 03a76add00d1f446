"""Sparsemax weights. Martins & Astudillo 2016, arXiv 1602.02068."""

import entmax
from torch import Tensor

from seqtool.api import Normalizer, Tree

MIN_SHIFTED_SCORE = -3.0
"""Scores this far below the largest of their row have zero weight: by 1 in sparsemax, by 2 in entmax15."""


class Sparsemax(Normalizer):
    """The Euclidean projection of the scores onto the simplex: weights that sum to one, many of them exactly zero.

    Equation:
        a_i = argmin_p |p - e_i|^2,  p >= 0, sum_j p_j = 1;  that is a_ij = max(e_ij - tau, 0)

    Source: Martins & Astudillo 2016, arXiv 1602.02068, eqs 1-4.

    When to use: where the weights should select a few positions. A position of zero weight gets no gradient and may
    stay at zero; `entmax15` sets fewer weights to zero.

    Args:
        query_size: Q; unused.
    """

    def __init__(self, query_size: int) -> None:
        super().__init__()

    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        """See `Normalizer.forward`."""
        return entmax.sparsemax(shift_scores(scores), -1), state


def shift_scores(scores: Tensor) -> Tensor:
    """Scores minus the largest of their row, at least `MIN_SHIFTED_SCORE`: scores at padding do not overflow."""
    return (scores - scores.detach().amax(-1, keepdim=True)).clamp(min=MIN_SHIFTED_SCORE)
