"""Forward attention. Zhang et al. 2018, arXiv 1807.06736."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from seqtool.api import Normalizer, Tree
from seqtool_attention.positions import moved, one_hot_start


class ForwardState(NamedTuple):
    """The weights of the step before `[B, S]` and, with an agent, u `[B, 1]`."""

    weights: Tensor
    move: Tree = ()


class Forward(Normalizer):
    """Softmax weights of those alignments alone that stay or move one position on at every step.

    Equation:
        a_ij ~ ((1 - u_{i-1}) a_{i-1,j} + u_{i-1} a_{i-1,j-1}) softmax(e_i)_j,  sum_j a_ij = 1
        a_0 one-hot at the first position;  u_0 = 1/2;  u_i = 1/2, or with the transition agent sigma(w . s_i + b)

    Source: Zhang et al. 2018, arXiv 1807.06736, algorithms 1 and 2; their agent sees the context and the last output
    beside the query.

    The product is taken in logarithms: where theirs needs a clamp, because all that can be reached scores far below
    another, ours still sums to one.

    When to use: targets that tell all of their source in its order, such as speech from text. It moves by at most one
    position a step, so a memory much longer than the target is never read to its end: shorten it with the `pyramid`
    encoder.

    Args:
        query_size: Q, the width of a query s.
        agent: let the query decide how likely the next step is to move on.
    """

    parallel = False

    def __init__(self, query_size: int, *, agent: bool = False) -> None:
        super().__init__()
        self.reads_query = agent
        self.agent = nn.Linear(query_size, 1) if agent else None

    def start(self, memory: Tensor, mask: Tensor) -> ForwardState:
        """See `Normalizer.start`."""
        move = memory.new_full((len(memory), 1), 0.5) if self.agent is not None else ()
        return ForwardState(one_hot_start(memory, mask), move)

    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: ForwardState) -> tuple[Tensor, ForwardState]:
        """See `Normalizer.forward`; T is 1."""
        before, move = state
        limits = torch.finfo(scores.dtype)
        prior = (before + moved(before)) / 2 if self.agent is None else (1 - move) * before + move * moved(before)
        reached = mask & (prior > limits.tiny)
        logits = torch.where(reached, prior, 1).log() + scores.squeeze(1)
        weights = logits.masked_fill(~reached, limits.min).softmax(-1).masked_fill(~reached, 0)
        if self.agent is None:
            return weights.unsqueeze(1), ForwardState(weights)
        # never quite 0 or 1, so that something is always reached
        following = torch.sigmoid(self.agent(query.squeeze(1))).clamp(limits.eps, 1 - limits.eps)
        return weights.unsqueeze(1), ForwardState(weights, following)
