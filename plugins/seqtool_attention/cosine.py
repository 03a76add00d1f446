"""Cosine scores. Graves et al. 2014, arXiv 1410.5401, eqs 5-6."""

import torch
from torch import Tensor, nn

from seqtool.api import Positive, Tree
from seqtool_attention.dot import Dot


class Cosine(Dot):
    """The cosine of the angle between query and memory vector, times a learnt scale.

    Equation:
        e_ij = g cos(s_i, h_j) = g s_i . h_j / (|s_i| |h_j|), and 0 where either vector is zero

    Source: Graves et al. 2014, arXiv 1410.5401, eqs 5-6 (content addressing). Our g is beta there, which the controller
    emits at every step; here it is one learnt parameter.

    When to use: query and memory have the same size, and only the direction of their vectors is informative. Weights
    become sharp only as g grows. If the norms are informative, use `dot`.

    Args:
        query_size: Q, the size of a query s.
        memory_size: M, the size of a memory vector h; must equal Q.
        strength: the initial g. With g = 1, softmax weights differ by a factor of at most e squared.

    Raises:
        PartError: Q and M differ.
    """

    def __init__(self, query_size: int, memory_size: int, *, strength: Positive = 5.0) -> None:
        super().__init__(query_size, memory_size)
        self.strength = nn.Parameter(torch.tensor(float(strength)))

    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tree]:
        """See `Scorer.start`; `fixed` is the memory `[B, S, M]`, each vector of norm 1 or 0."""
        return unit_vectors(memory), ()

    def score(self, query: Tensor, fixed: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        """See `Scorer.score`."""
        return super().score(self.strength * unit_vectors(query), fixed, state)


def unit_vectors(x: Tensor) -> Tensor:
    """`x / |x|` along the last axis; zero vectors are returned unchanged, with the gradient of the identity."""
    squared_norm = (x * x).sum(-1, keepdim=True)
    return x * torch.where(squared_norm > 0, squared_norm, 1).rsqrt()
