"""Scores by the angle between query and memory vector. Graves et al. 2014, arXiv 1410.5401, eqs 5-6."""

import torch
from torch import Tensor, nn

from seqtool.api import Positive, Tree
from seqtool_attention.dot import Dot


class Cosine(Dot):
    """The cosine of the angle between query and memory vector, times a learnt strength.

    Equation:
        e_ij = g cos(s_i, h_j) = g s_i . h_j / (|s_i| |h_j|), and 0 where either vector is zero

    Source: Graves et al. 2014, arXiv 1410.5401, eqs 5-6 (content addressing); there g, his beta, is emitted by the
    controller at every step, here it is one learnt number.

    When to use: query and memory of one size, where a vector's direction says what it is and its length says nothing.
    Weights grow sharp only as g does; where the length matters, `dot`.

    Args:
        query_size: Q, the width of a query s.
        memory_size: M, the width of a memory vector h; must equal Q.
        strength: what g starts at. At 1 softmax weights could not differ by more than a factor of e squared.

    Raises:
        PartError: Q and M differ.
    """

    def __init__(self, query_size: int, memory_size: int, *, strength: Positive = 5.0) -> None:
        super().__init__(query_size, memory_size)
        self.strength = nn.Parameter(torch.tensor(float(strength)))

    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tree]:
        """See `Scorer.start`; `fixed` is the memory, each vector of length one or zero."""
        return unit(memory), ()

    def score(self, query: Tensor, fixed: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        """See `Scorer.score`."""
        return super().score(self.strength * unit(query), fixed, state)


def unit(x: Tensor) -> Tensor:
    """`x / |x|` along the last axis; zero vectors stay, and their gradient is that of `x` itself."""
    square = (x * x).sum(-1, keepdim=True)
    return x * torch.where(square > 0, square, 1).rsqrt()
