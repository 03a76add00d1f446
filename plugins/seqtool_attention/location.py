"""Location-based scores, which depend on the query alone. Luong et al. 2015, arXiv 1508.04025, eq. 8."""

from torch import Tensor, nn

from seqtool.api import Scorer, Size, Tree
from seqtool_attention.positions import check_source_length


class Location(Scorer):
    """A linear map of the query to one score per position.

    Equation:
        e_ij = (W s_i)_j

    Source: Luong et al. 2015, arXiv 1508.04025, eq. 8.

    When to use: short sources of the same layout, so that the decoder's state alone determines the position. W has a
    row for each position: sources longer than `max_length` raise an error, and rows that few training sources reach
    are hardly trained.

    Args:
        query_size: Q, the size of a query s.
        memory_size: M; unused.
        max_length: the largest number of source positions.

    Raises:
        PartError: a source, padding included, is longer than `max_length`.
    """

    reads_memory = False

    def __init__(self, query_size: int, memory_size: int, *, max_length: Size) -> None:
        super().__init__()
        self.map = nn.Linear(query_size, max_length, bias=False)

    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tree]:
        """See `Scorer.start`; `fixed` is the mask, whose size is the source's length."""
        check_source_length(memory.shape[1], self.map.out_features, "location")
        return mask, ()

    def score(self, query: Tensor, fixed: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        """See `Scorer.score`."""
        return self.map(query)[:, :, : fixed.shape[1]], state
