"""Weights in a window where the query puts it. Luong et al. 2015, arXiv 1508.04025, section 3.2."""

import torch
from torch import Tensor, nn

from seqtool.api import Normalizer, Size, Tree, lengths, position_dtype
from seqtool_attention.window import positions, softmax_inside


class LocalP(Normalizer):
    """Softmax inside a window around a position that the query predicts, under a Gaussian.

    Equation:
        p_i = S sigma(v . tanh(W s_i)), S the number of real positions
        a_ij = (softmax over |j - p_i| <= D of e_ij) exp(-(j - p_i)^2 / (2 (D/2)^2)),  j = 1 .. S

    Source: Luong et al. 2015, arXiv 1508.04025, eqs 9-10 (local-p).

    Not normalised again, so that p learns: weights sum to less than one.

    When to use: long sources where a step needs one neighbourhood and the decoder's state can tell where it is, in
    whatever order. Decoders that copy refuse it, since its weights do not sum to one.

    Args:
        query_size: Q, the width of a query s.
        half_width: D, how many positions to either side count.
        hidden_size: the width of v; null takes the query's.
    """

    normalized = False
    reads_query = True

    def __init__(self, query_size: int, *, half_width: Size = 10, hidden_size: Size | None = None) -> None:
        super().__init__()
        self.half_width = half_width
        size = hidden_size or query_size
        self.map = nn.Linear(query_size, size, bias=False)
        self.vector = nn.Linear(size, 1, bias=False)

    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        """See `Normalizer.forward`."""
        share = torch.sigmoid(self.vector(torch.tanh(self.map(query))))
        centre = lengths(mask)[:, None, None] * share.to(position_dtype(scores))
        distance = (positions(scores.shape[2], centre) - centre) / (self.half_width / 2)
        near = torch.exp(-distance * distance / 2).to(scores.dtype)
        return softmax_inside(scores, centre, self.half_width) * near, state
