"""Scores that depend on neither query nor memory: a dense layer over the source."""

import torch
from torch import Tensor, nn

from seqtool.api import Scorer, Size, Tree
from seqtool_attention.positions import check_source_length


class Dense(Scorer):
    """One learnt score per position, the same for every query and source: a dense layer over the source.

    Equation:
        e_ij = b_j

    Source: none; a baseline.

    When to use: only as a baseline to compare attention with. Its weights are the same at every step and for every
    source, and sources must not be longer than `max_length`.

    Args:
        query_size: Q; unused.
        memory_size: M; unused.
        max_length: the largest number of source positions.

    Raises:
        PartError: a source, padding included, is longer than `max_length`.
    """

    reads_memory = False
    reads_query = False

    def __init__(self, query_size: int, memory_size: int, *, max_length: Size) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.zeros(max_length))

    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tree]:
        """See `Scorer.start`; `fixed` is the scores `[B, S]`."""
        length = memory.shape[1]
        check_source_length(length, len(self.scores), "dense")
        return self.scores[:length].expand(len(memory), -1), ()

    def score(self, query: Tensor, fixed: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        """See `Scorer.score`."""
        return fixed.unsqueeze(1).expand(-1, query.shape[1], -1), state
