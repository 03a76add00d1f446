"""Additive scores. Bahdanau et al. 2015, arXiv 1409.0473, A.1.2."""

from torch import Tensor, nn

from seqtool.api import Scorer, Size, Tree, accelerated
from seqtool_attention.additive_scores import compare


class Additive(Scorer):
    """A small network compares the query with every key.

    Equation:
        e_ij = v . tanh(W s_i + U h_j + b)

    Source: Bahdanau et al. 2015, arXiv 1409.0473, A.1.2; b is ours.

    The first choice where query and memory differ in size or in kind. Over long sequences tanh is computed again
    in the backward pass, so that memory grows with T S and not with T S hidden_size.

    When to use: the default for small models: sizes of query and memory may differ, and it learns reliably. Dearer in
    memory than a product.

    Args:
        query_size: Q, the width of a query s.
        memory_size: M, the width of a memory vector h.
        hidden_size: the width of v; null takes the query's.
    """

    def __init__(self, query_size: int, memory_size: int, *, hidden_size: Size | None = None) -> None:
        super().__init__()
        size = hidden_size or query_size
        self.query_map = nn.Linear(query_size, size, bias=False)
        self.key_map = nn.Linear(memory_size, size)
        self.vector = nn.Linear(size, 1, bias=False)

    @accelerated
    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tree]:
        """See `Scorer.start`; `fixed` is the keys `[B, S, hidden]`."""
        return self.key_map(memory), ()

    @accelerated
    def score(self, query: Tensor, fixed: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        """See `Scorer.score`."""
        return compare(self.query_map(query), fixed, self.vector.weight[0]), state
