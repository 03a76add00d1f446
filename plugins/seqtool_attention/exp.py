"""Exponential weights that are not normalised. Graves 2013, arXiv 1308.0850, eqs 46-47."""

from torch import Tensor

from seqtool.api import Normalizer, Tree

MAX_SCORE = 60.0


class Exp(Normalizer):
    """Positive weights of any sum, for scores that are logarithms of weights (gmm).

    Equation:
        a_ij = exp(min(e_ij, 60))

    Source: Graves 2013, arXiv 1308.0850, eqs 46-47.

    When to use: with scorers that return logarithms of weights, such as `gmm`, which gives Graves's window. With other
    scorers the weights may become huge.

    Args:
        query_size: Q; unused.
    """

    normalized = False
    log_weights = True

    def __init__(self, query_size: int) -> None:
        super().__init__()

    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        """See `Normalizer.forward`."""
        return scores.clamp(max=MAX_SCORE).exp(), state
