"""Scaled dot-product scores. Vaswani et al. 2017, arXiv 1706.03762, eq. 1."""

from torch import Tensor

from seqtool.api import Tree, accelerated
from seqtool_attention.dot import Dot


class ScaledDot(Dot):
    """The inner product of the query and each memory vector, divided by the square root of their size d.

    Equation:
        e_ij = s_i . h_j / sqrt(d)

    Source: Vaswani et al. 2017, arXiv 1706.03762, eq. 1.

    When to use: as `dot`, for larger sizes: the scale keeps the variance of the scores from growing with d, so the
    softmax does not saturate.

    Args:
        query_size: d, the size of a query s.
        memory_size: the size of a memory vector h; must equal d.

    Raises:
        PartError: the sizes differ.
    """

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__(query_size, memory_size)
        self.scale = query_size**-0.5

    @accelerated
    def score(self, query: Tensor, fixed: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        """See `Scorer.score`."""
        return super().score(query * self.scale, fixed, state)
