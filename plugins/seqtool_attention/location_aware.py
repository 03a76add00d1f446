"""Location-aware additive scores. Chorowski et al. 2015, arXiv 1506.07503, eqs 8-9."""

from torch import Tensor, nn

from seqtool.api import Count, Scorer, Size, accelerated
from seqtool_attention.additive_scores import additive_scores


class LocationAware(Scorer):
    """The additive scorer, whose further input is a convolution of the last step's weights.

    Equation:
        f_i = F * a_{i-1}, that is f_ij = sum_m F_m a_{i-1, j+m}, m = -r .. r
        e_ij = v . tanh(W s_i + V h_j + U f_ij + b),  a_0 uniform over the real positions

    Source: Chorowski et al. 2015, arXiv 1506.07503, eqs 8-9.

    When to use: sources with many similar positions, which content alone does not distinguish: speech, long runs,
    repeats. Each step needs the last step's weights, so `attend_after` cannot process the target steps in parallel.

    Args:
        query_size: Q, the size of a query s.
        memory_size: M, the size of a memory vector h.
        hidden_size: the size of v; null for the query's size.
        filters: the number of filters in F.
        radius: r, the number of positions to either side that a filter covers; 100 frames of speech in the paper.
    """

    parallel = False

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        *,
        hidden_size: Size | None = None,
        filters: Size = 10,
        radius: Count = 15,
    ) -> None:
        super().__init__()
        size = hidden_size or query_size
        self.query_map = nn.Linear(query_size, size, bias=False)
        self.key_map = nn.Linear(memory_size, size)
        self.filters = nn.Conv1d(1, filters, 2 * radius + 1, padding=radius, bias=False)
        self.feature_map = nn.Linear(filters, size, bias=False)
        self.vector = nn.Linear(size, 1, bias=False)

    @accelerated
    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """See `Scorer.start`; `fixed` is the keys `[B, S, hidden]`, `state` the last weights `[B, S]`."""
        real = mask.to(memory.dtype)
        return self.key_map(memory), real / real.sum(1, keepdim=True).clamp(min=1)

    @accelerated
    def score(self, query: Tensor, fixed: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Scorer.score`."""
        features = self.filters(state.unsqueeze(1)).transpose(1, 2)
        mapped, vector = self.query_map(query), self.vector.weight[0]
        return additive_scores(mapped, fixed, vector, features, self.feature_map.weight), state

    def observe(self, weights: Tensor, state: Tensor) -> Tensor:
        """See `Scorer.observe`."""
        return weights
