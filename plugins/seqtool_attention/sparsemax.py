"""Sparse weights. Martins & Astudillo 2016, arXiv 1602.02068."""

import entmax
from torch import Tensor

from seqtool.api import Normalizer, Tree

BELOW = -3.0
"""Scores so far below the largest of their row have no weight: sparsemax drops what is 1 below it, entmax15 2."""


class Sparsemax(Normalizer):
    """The nearest point of the simplex: weights that sum to one, most of them exactly zero.

    Equation:
        a_i = argmin_p |p - e_i|^2,  p >= 0, sum_j p_j = 1;  that is a_ij = max(e_ij - tau, 0)

    Source: Martins & Astudillo 2016, arXiv 1602.02068, eqs 1-4.

    When to use: where weights should name the few positions that count. A position at zero gets no gradient, so one
    that is dropped too early may never come back; `entmax15` drops fewer.

    Args:
        query_size: Q; not looked at.
    """

    def __init__(self, query_size: int) -> None:
        super().__init__()

    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        """See `Normalizer.forward`."""
        return entmax.sparsemax(shifted(scores), -1), state


def shifted(scores: Tensor) -> Tensor:
    """Scores below their row's largest, none of them by more than matters: the lowest finite number, too, is tame."""
    return (scores - scores.detach().amax(-1, keepdim=True)).clamp(min=BELOW)
