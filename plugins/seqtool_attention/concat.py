"""Scores of the concatenated query and memory vector. Luong et al. 2015, arXiv 1508.04025, section 3.1."""

from torch import Tensor, nn
from torch.nn import functional as F

from seqtool.api import Scorer, Size, Tree, accelerated
from seqtool_attention.additive_scores import additive_scores


class Concat(Scorer):
    """A feed-forward network with one hidden layer reads the concatenated query and memory vector.

    Equation:
        e_ij = v . tanh(W [s_i; h_j])

    Source: Luong et al. 2015, arXiv 1508.04025, section 3.1.

    It differs from `additive` in having no bias and one matrix, whose initial range is the same for query and memory.

    When to use: to reproduce Luong's scores. Otherwise use `additive`, which is the same function with a bias, and
    whose two matrices each have the initial range that fits their size.

    Args:
        query_size: Q, the size of a query s.
        memory_size: M, the size of a memory vector h.
        hidden_size: the size of v; null for the query's size.
    """

    def __init__(self, query_size: int, memory_size: int, *, hidden_size: Size | None = None) -> None:
        super().__init__()
        size = hidden_size or query_size
        self.query_size = query_size
        self.map = nn.Linear(query_size + memory_size, size, bias=False)
        self.vector = nn.Linear(size, 1, bias=False)

    @accelerated
    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tree]:
        """See `Scorer.start`; `fixed` is W's columns for h times the memory: `[B, S, hidden]`."""
        return F.linear(memory, self.map.weight[:, self.query_size :]), ()

    @accelerated
    def score(self, query: Tensor, fixed: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        """See `Scorer.score`."""
        mapped = F.linear(query, self.map.weight[:, : self.query_size])
        return additive_scores(mapped, fixed, self.vector.weight[0]), state
