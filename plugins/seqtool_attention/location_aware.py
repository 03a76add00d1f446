"""Additive scores that see where the last step looked. Chorowski et al. 2015, arXiv 1506.07503, eqs 8-9."""

from torch import Tensor, nn

from seqtool.api import Count, Scorer, Size, accelerated
from seqtool_attention.additive_scores import compare


class LocationAware(Scorer):
    """The additive scorer, shown the last step's weights around each position through learnt filters.

    Equation:
        f_i = F * a_{i-1}, that is f_ij = sum_m F_m a_{i-1, j+m}, m = -r .. r
        e_ij = v . tanh(W s_i + V h_j + U f_ij + b),  a_0 uniform over the real positions

    Source: Chorowski et al. 2015, arXiv 1506.07503, eqs 8-9.

    When to use: where much in the source looks alike, so that content alone cannot tell places apart: speech, long
    runs, repeats. Each step waits for the last one's weights, so `attend_after` can no longer take them all at once.

    Args:
        query_size: Q, the width of a query s.
        memory_size: M, the width of a memory vector h.
        hidden_size: the width of v; null takes the query's.
        filters: how many filters F has.
        radius: r, how far a filter sees to either side; theirs was 100, over frames of speech.
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
        return compare(mapped, fixed, vector, features, self.feature_map.weight), state

    def observe(self, weights: Tensor, state: Tensor) -> Tensor:
        """See `Scorer.observe`."""
        return weights
