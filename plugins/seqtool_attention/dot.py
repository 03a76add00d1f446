"""Dot-product scores. Luong et al. 2015, arXiv 1508.04025, section 3.1."""

from torch import Tensor

from seqtool.api import PartError, Scorer, Tree, accelerated


class Dot(Scorer):
    """The inner product of the query and each memory vector.

    Equation:
        e_ij = s_i . h_j

    Source: Luong et al. 2015, arXiv 1508.04025, section 3.1.

    When to use: query and memory have the same, small size. The scorer has no parameters, so encoder and decoder must
    learn a common space.

    Args:
        query_size: Q, the size of a query s.
        memory_size: M, the size of a memory vector h; must equal Q.

    Raises:
        PartError: Q and M differ.
    """

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        if query_size != memory_size:
            raise PartError(
                f"the inner product of {type(self).__name__} needs equal sizes: "
                f"the query has {query_size}, the memory {memory_size}",
                allowed="equal sizes, or a scorer that projects the memory: general, additive",
            )

    @accelerated
    def score(self, query: Tensor, fixed: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        """See `Scorer.score`."""
        return query @ fixed.transpose(1, 2), state
