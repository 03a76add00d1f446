"""Weights in a window that moves on by itself. Luong et al. 2015, arXiv 1508.04025, section 3.2."""

import torch
from torch import Tensor

from seqtool.api import Normalizer, Size, lengths
from seqtool_attention.window import positions, softmax_inside


class LocalM(Normalizer):
    """Softmax inside a window around the step's own position, which moves on by one every step.

    Equation:
        a_ij = softmax over |j - p_i| <= D of e_ij,  p_i = min(i, S),  i, j = 1, 2, ...

    Source: Luong et al. 2015, arXiv 1508.04025, section 3.2 (local-m); that p stays at the last position S of a
    source that is shorter than its target is ours.

    When to use: targets about as long as their memory and in the same order, position by position. What lies further
    than D from step i's own position cannot be seen.

    Args:
        query_size: Q; not looked at.
        half_width: D, how many positions to either side count.
    """

    def __init__(self, query_size: int, *, half_width: Size = 10) -> None:
        super().__init__()
        self.half_width = half_width

    def start(self, memory: Tensor, mask: Tensor) -> Tensor:
        """See `Normalizer.start`; how many steps there were, `[B]`, int64."""
        return memory.new_zeros(len(memory), dtype=torch.int64)

    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Normalizer.forward`."""
        step = state[:, None] + positions(scores.shape[1], state)
        centre = torch.minimum(step, lengths(mask)[:, None]).unsqueeze(2)
        return softmax_inside(scores, centre, self.half_width), step[:, -1]
