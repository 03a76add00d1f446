"""Scores of query and memory vector joined. Luong et al. 2015, arXiv 1508.04025, section 3.1."""

from torch import Tensor, nn
from torch.nn import functional as F

from seqtool.api import Scorer, Size, Tree, accelerated
from seqtool_attention.additive_scores import compare


class Concat(Scorer):
    """A small network reads the query and a memory vector side by side.

    Equation:
        e_ij = v . tanh(W [s_i; h_j])

    Source: Luong et al. 2015, arXiv 1508.04025, section 3.1.

    The additive scorer with one matrix, so that both sides share one range of starting values, and without a bias.

    When to use: to reproduce Luong's scores. Otherwise `additive`, which says the same with a bias and starts each side
    at the range that fits its size.

    Args:
        query_size: Q, the width of a query s.
        memory_size: M, the width of a memory vector h.
        hidden_size: the width of v; null takes the query's.
    """

    def __init__(self, query_size: int, memory_size: int, *, hidden_size: Size | None = None) -> None:
        super().__init__()
        size = hidden_size or query_size
        self.query_size = query_size
        self.map = nn.Linear(query_size + memory_size, size, bias=False)
        self.vector = nn.Linear(size, 1, bias=False)

    @accelerated
    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tree]:
        """See `Scorer.start`; `fixed` is W's part for h, applied: `[B, S, hidden]`."""
        return F.linear(memory, self.map.weight[:, self.query_size :]), ()

    @accelerated
    def score(self, query: Tensor, fixed: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        """See `Scorer.score`."""
        mapped = F.linear(query, self.map.weight[:, : self.query_size])
        return compare(mapped, fixed, self.vector.weight[0]), state
