"""Local monotonic attention, local-m. Luong et al. 2015, arXiv 1508.04025, section 3.2."""

import torch
from torch import Tensor

from seqtool.api import Normalizer, Size, lengths
from seqtool_attention.window import positions, windowed_softmax


class LocalM(Normalizer):
    """Softmax inside a window whose centre is the index of the target step.

    Equation:
        a_ij = softmax over |j - p_i| <= D of e_ij,  p_i = min(i, S),  i, j = 1, 2, ...

    Source: Luong et al. 2015, arXiv 1508.04025, section 3.2 (local-m). The limit of p at the last position S, for
    targets longer than their source, is ours.

    When to use: targets about as long as their memory and aligned with it position by position. Positions further than
    D from step i's centre have no weight.

    Args:
        query_size: Q; unused.
        half_width: D, the number of positions to either side of the centre.
    """

    def __init__(self, query_size: int, *, half_width: Size = 10) -> None:
        super().__init__()
        self.half_width = half_width

    def start(self, memory: Tensor, mask: Tensor) -> Tensor:
        """See `Normalizer.start`; the number of steps so far, `[B]`, int64."""
        return memory.new_zeros(len(memory), dtype=torch.int64)

    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Normalizer.forward`."""
        step = state[:, None] + positions(scores.shape[1], state)
        centre = torch.minimum(step, lengths(mask)[:, None]).unsqueeze(2)
        return windowed_softmax(scores, centre, self.half_width), step[:, -1]
