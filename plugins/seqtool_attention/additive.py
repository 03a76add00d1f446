"""Additive scores. Bahdanau et al. 2015, arXiv 1409.0473, A.1.2."""

from torch import Tensor, nn

from seqtool.api import Scorer, Size, Tree, accelerated
from seqtool_attention.additive_scores import additive_scores


class Additive(Scorer):
    """A feed-forward network with one hidden layer compares the query with every key.

    Equation:
        e_ij = v . tanh(W s_i + U h_j + b)

    Source: Bahdanau et al. 2015, arXiv 1409.0473, A.1.2; b is ours.

    For long sequences the backward pass recomputes tanh, so memory grows with T S and not with T S hidden_size.

    When to use: the default for small models. The sizes of query and memory may differ, and training is reliable. It
    needs more memory than `dot` or `general`.

    Args:
        query_size: Q, the size of a query s.
        memory_size: M, the size of a memory vector h.
        hidden_size: the size of v; null for the query's size.
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
        return additive_scores(self.query_map(query), fixed, self.vector.weight[0]), state
