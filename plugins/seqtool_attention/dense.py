"""Fixed scores: a dense layer that weights its inputs, whatever is being predicted."""

import torch
from torch import Tensor, nn

from seqtool.api import Scorer, Size, Tree
from seqtool_attention.positions import require_length


class Dense(Scorer):
    """A learnt number a position, the same for every query: a simple dense layer over the source.

    Equation:
        e_ij = b_j

    Source: none; the baseline that cannot look.

    When to use: only as a baseline, to be drawn beside attention: it cannot look. Its weights are the same at every
    step and for every source, and sources must not outgrow `max_length`.

    Args:
        query_size: Q; not looked at.
        memory_size: M; not looked at.
        max_length: how many source positions there may be.

    Raises:
        PartError: a source, padding included, is longer than that.
    """

    reads_memory = False
    reads_query = False

    def __init__(self, query_size: int, memory_size: int, *, max_length: Size) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.zeros(max_length))

    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tree]:
        """See `Scorer.start`; `fixed` is the scores `[B, S]`."""
        length = memory.shape[1]
        require_length(length, len(self.scores), "dense")
        return self.scores[:length].expand(len(memory), -1), ()

    def score(self, query: Tensor, fixed: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        """See `Scorer.score`."""
        return fixed.unsqueeze(1).expand(-1, query.shape[1], -1), state
