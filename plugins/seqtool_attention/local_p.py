"""Local predictive attention, local-p. Luong et al. 2015, arXiv 1508.04025, eqs 9-10."""

import torch
from torch import Tensor, nn

from seqtool.api import Normalizer, Size, Tree, lengths, position_dtype
from seqtool_attention.window import positions, windowed_softmax


class LocalP(Normalizer):
    """Softmax inside a window around a position predicted from the query, times a Gaussian.

    Equation:
        p_i = S sigma(v . tanh(W s_i)), S the number of real positions
        a_ij = (softmax over |j - p_i| <= D of e_ij) exp(-(j - p_i)^2 / (2 (D/2)^2)),  j = 1 .. S

    Source: Luong et al. 2015, arXiv 1508.04025, eqs 9-10 (local-p).

    The weights are not normalised after the Gaussian, so that p gets a gradient: they sum to less than one.

    When to use: long sources of which each step needs one region, in any order, whose position the decoder's state can
    predict. Decoders that copy reject it, since its weights do not sum to one.

    Args:
        query_size: Q, the size of a query s.
        half_width: D, the number of positions to either side of p.
        hidden_size: the size of v; null for the query's size.
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
        fraction = torch.sigmoid(self.vector(torch.tanh(self.map(query))))
        centre = lengths(mask)[:, None, None] * fraction.to(position_dtype(scores))
        distance = (positions(scores.shape[2], centre) - centre) / (self.half_width / 2)
        gaussian = torch.exp(-distance * distance / 2).to(scores.dtype)
        return windowed_softmax(scores, centre, self.half_width) * gaussian, state
