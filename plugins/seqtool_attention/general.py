"""Bilinear scores. Luong et al. 2015, arXiv 1508.04025, section 3.1."""

from torch import Tensor, nn

from seqtool.api import Scorer, Tree, accelerated


class General(Scorer):
    """A bilinear form of query and memory.

    Equation:
        e_ij = s_i . W h_j

    Source: Luong et al. 2015, arXiv 1508.04025, section 3.1.

    When to use: query and memory differ in size, or need a learnt map between them, and `additive` is too slow.

    Args:
        query_size: Q, the size of a query s.
        memory_size: M, the size of a memory vector h.
    """

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.map = nn.Linear(memory_size, query_size, bias=False)

    @accelerated
    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tree]:
        """See `Scorer.start`; `fixed` is the keys `[B, S, Q]`."""
        return self.map(memory), ()

    @accelerated
    def score(self, query: Tensor, fixed: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        """See `Scorer.score`."""
        return query @ fixed.transpose(1, 2), state
