"""Scores of positions, whatever stands there. Luong et al. 2015, arXiv 1508.04025, eq. 8."""

from torch import Tensor, nn

from seqtool.api import Scorer, Size, Tree
from seqtool_attention.positions import require_length


class Location(Scorer):
    """The query alone says how much it wants each position.

    Equation:
        e_ij = (W s_i)_j

    Source: Luong et al. 2015, arXiv 1508.04025, eq. 8.

    When to use: short sources that are laid out alike, so that the decoder's state alone knows where to look. W has a
    row for every position: longer sources than `max_length` are refused, and rows seldom reached in training stay
    untrained.

    Args:
        query_size: Q, the width of a query s.
        memory_size: M; not looked at.
        max_length: how many source positions there may be.

    Raises:
        PartError: a source, padding included, is longer than that.
    """

    reads_memory = False

    def __init__(self, query_size: int, memory_size: int, *, max_length: Size) -> None:
        super().__init__()
        self.map = nn.Linear(query_size, max_length, bias=False)

    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tree]:
        """See `Scorer.start`; `fixed` is the mask, which knows how long the source is."""
        require_length(memory.shape[1], self.map.out_features, "location")
        return mask, ()

    def score(self, query: Tensor, fixed: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        """See `Scorer.score`."""
        return self.map(query)[:, :, : fixed.shape[1]], state
