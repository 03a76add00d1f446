"""Unnormalised weights. Graves 2013, arXiv 1308.0850, eqs 46-47."""

from torch import Tensor

from seqtool.api import Normalizer, Tree

LARGEST_SCORE = 60.0


class Exp(Normalizer):
    """Weights that are positive and sum to whatever they do; for scores that are logarithms of weights (gmm).

    Equation:
        a_ij = exp(min(e_ij, 60))

    Source: Graves 2013, arXiv 1308.0850, eqs 46-47.

    When to use: with scorers that give logarithms of weights, such as `gmm`: Graves' original window. With others
    weights may become huge.

    Args:
        query_size: Q; not looked at.
    """

    normalized = False
    log_weights = True

    def __init__(self, query_size: int) -> None:
        super().__init__()

    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        """See `Normalizer.forward`."""
        return scores.clamp(max=LARGEST_SCORE).exp(), state
