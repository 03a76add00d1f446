"""Forward attention. Zhang et al. 2018, arXiv 1807.06736."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from seqtool.api import Normalizer, Tree
from seqtool_attention.positions import first_position_weights, shift_right


class ForwardState(NamedTuple):
    """The last weights `[B, S]` and, with an agent, the transition probability u `[B, 1]`."""

    weights: Tensor
    move: Tree = ()


class Forward(Normalizer):
    """Softmax weights over the alignments that stay or move by one position at every step.

    Equation:
        a_ij ~ ((1 - u_{i-1}) a_{i-1,j} + u_{i-1} a_{i-1,j-1}) softmax(e_i)_j,  sum_j a_ij = 1
        a_0 one-hot at the first position;  u_0 = 1/2;  u_i = 1/2, or with the transition agent sigma(w . s_i + b)

    Source: Zhang et al. 2018, arXiv 1807.06736, algorithms 1 and 2; the agent there reads the context and the last
    output too.

    The product is a sum of logarithms, so the weights sum to one even if every reachable position scores far below the
    others; the paper clamps instead.

    When to use: targets that follow their whole source in order, as in speech synthesis. The weights move by at most
    one position a step, so the end of a memory much longer than the target is never reached; the `pyramid` encoder
    shortens the memory.

    Args:
        query_size: Q, the size of a query s.
        agent: predict from the query the probability that the next step moves (the transition agent).
    """

    parallel = False

    def __init__(self, query_size: int, *, agent: bool = False) -> None:
        super().__init__()
        self.reads_query = agent
        self.agent = nn.Linear(query_size, 1) if agent else None

    def start(self, memory: Tensor, mask: Tensor) -> ForwardState:
        """See `Normalizer.start`."""
        move = memory.new_full((len(memory), 1), 0.5) if self.agent is not None else ()
        return ForwardState(first_position_weights(memory, mask), move)

    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: ForwardState) -> tuple[Tensor, ForwardState]:
        """See `Normalizer.forward`; T is 1."""
        stay, move = state.weights, state.move
        shifted = shift_right(stay)
        limits = torch.finfo(scores.dtype)
        prior = (stay + shifted) / 2 if self.agent is None else (1 - move) * stay + move * shifted
        reachable = mask & (prior > limits.tiny)
        logits = torch.where(reachable, prior, 1).log() + scores.squeeze(1)
        weights = logits.masked_fill(~reachable, limits.min).softmax(-1).masked_fill(~reachable, 0)
        if self.agent is None:
            return weights.unsqueeze(1), ForwardState(weights)
        # strictly between 0 and 1, so that some position is always reachable
        next_move = torch.sigmoid(self.agent(query.squeeze(1))).clamp(limits.eps, 1 - limits.eps)
        return weights.unsqueeze(1), ForwardState(weights, next_move)
