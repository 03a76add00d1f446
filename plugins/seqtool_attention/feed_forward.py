"""Scores that depend on the memory alone. Raffel & Ellis 2015, arXiv 1512.08756, section 1.2."""

import torch
from torch import Tensor, nn

from seqtool.api import Scorer, Tree


class FeedForward(Scorer):
    """Scores of each memory vector, the same for every query.

    Equation:
        e_ij = tanh(w . h_j + b)

    Source: Raffel & Ellis 2015, arXiv 1512.08756, eq. 1, with the a(h) of section 2.

    When to use: targets of one position that summarise a whole source, as in the tasks adding and multiplication, where
    a memory vector alone shows whether it is relevant. Its weights are the same at every target step, so it is useless
    for generating a sequence.

    Args:
        query_size: Q; unused.
        memory_size: M, the size of a memory vector h.
    """

    reads_query = False

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.map = nn.Linear(memory_size, 1)

    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tree]:
        """See `Scorer.start`; `fixed` is the scores `[B, S]`."""
        return torch.tanh(self.map(memory)).squeeze(2), ()

    def score(self, query: Tensor, fixed: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        """See `Scorer.score`."""
        return fixed.unsqueeze(1).expand(-1, query.shape[1], -1), state
