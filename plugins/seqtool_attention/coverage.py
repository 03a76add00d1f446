"""Additive scores with a coverage vector. See et al. 2017, arXiv 1704.04368, eq. 11."""

from torch import Tensor, nn

from seqtool.api import Scorer, Size, accelerated
from seqtool_attention.additive_scores import additive_scores


class Coverage(Scorer):
    """The additive scorer, whose further input is the sum of the weights of all earlier steps.

    Equation:
        cov_i = a_1 + ... + a_{i-1};  e_ij = v . tanh(W s_i + V h_j + w cov_ij + b)

    Source: See et al. 2017, arXiv 1704.04368, eqs 10-11; after Tu et al. 2016, arXiv 1601.04811.

    When to use: where outputs repeat or omit parts of the source, as in summaries and long copies. Use it with the
    `coverage` loss, sum_j min(a_ij, cov_ij); See et al. found little effect without it.

    Args:
        query_size: Q, the size of a query s.
        memory_size: M, the size of a memory vector h.
        hidden_size: the size of v; null for the query's size.
    """

    parallel = False

    def __init__(self, query_size: int, memory_size: int, *, hidden_size: Size | None = None) -> None:
        super().__init__()
        size = hidden_size or query_size
        self.query_map = nn.Linear(query_size, size, bias=False)
        self.key_map = nn.Linear(memory_size, size)
        self.coverage_map = nn.Linear(1, size, bias=False)
        self.vector = nn.Linear(size, 1, bias=False)

    @accelerated
    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """See `Scorer.start`; `fixed` is the keys `[B, S, hidden]`, `state` the coverage `[B, S]`."""
        return self.key_map(memory), memory.new_zeros(mask.shape)

    @accelerated
    def score(self, query: Tensor, fixed: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Scorer.score`."""
        mapped, vector = self.query_map(query), self.vector.weight[0]
        return additive_scores(mapped, fixed, vector, state.unsqueeze(2), self.coverage_map.weight), state

    def observe(self, weights: Tensor, state: Tensor) -> Tensor:
        """See `Scorer.observe`."""
        return state + weights
