"""Bilinear scores (Luong et al. 2015, arXiv 1508.04025) within a window that moves at a learnt speed."""

import torch
from torch import Tensor, nn

from seqtool.api import Positive, Scorer


class Windowed(Scorer):
    """Bilinear scores minus the distance of a position from the expected position of step i.

    Equation:
        e_ij = s_i . W h_j - |j - r i| / w,  j = 0 .. S - 1,  i = 0 .. T - 1

    Source: the general scorer of Luong et al. 2015, arXiv 1508.04025, with a linear bias on the distance as in
    Press et al. 2022, arXiv 2108.12409.

    Args:
        query_size: Q, the size of a query s.
        memory_size: M, the size of a memory vector h.
        speed: initial r, in source positions per target step; learnt.
        width: initial w, in source positions; learnt.
    """

    def __init__(self, query_size: int, memory_size: int, *, speed: Positive = 1.0, width: Positive = 5.0) -> None:
        super().__init__()
        self.map = nn.Linear(memory_size, query_size, bias=False)
        self.log_speed = nn.Parameter(torch.tensor(speed).log())
        self.log_width = nn.Parameter(torch.tensor(width).log())

    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """See `Scorer.start`; `fixed` is the keys `[B, S, Q]`, `state` the number of the next step `[B]`."""
        return self.map(memory), memory.new_zeros(len(memory), dtype=torch.int64)

    def score(self, query: Tensor, fixed: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Scorer.score`."""
        step = state[:, None] + torch.arange(query.shape[1], device=query.device)
        place = torch.arange(fixed.shape[1], device=query.device)
        distance = (place - self.log_speed.exp() * step[:, :, None]).abs()
        scores = query @ fixed.transpose(1, 2) - distance / self.log_width.exp()
        return scores, state + query.shape[1]
