"""Monotonic attention. Raffel et al. 2017, arXiv 1704.00784, eqs 11-14."""

import torch
from torch import Tensor

from seqtool.api import NonNegative
from seqtool_attention.positions import first_position_weights, shift_right
from seqtool_attention.recurrence import linear_recurrence
from seqtool_attention.selection import Inference, SelectionNormalizer


class Monotonic(SelectionNormalizer):
    """Each step starts where the last one stopped, and stops at the first position that it selects.

    Equation:
        p_ij = sigma(e_ij + r + noise);  q_ij = (1 - p_{i,j-1}) q_{i,j-1} + a_{i-1,j}
        a_ij = p_ij q_ij,  a_0 one-hot at the first position

    Source: Raffel et al. 2017, arXiv 1704.00784, eqs 11-14; noise and r: section 2.5.

    Weights sum to at most one: the rest is the probability that a step runs past the end of the source, after which all
    later weights are zero. Initially r is negative, so that all positions are reachable. The papers select hard at
    inference; train with noise for it, so that p becomes close to 0 or 1.

    When to use: sources that are read in order, possibly online, with hard selection at inference. For offline use
    `softmax` is easier to train.

    Args:
        query_size: Q; unused.
        bias: the initial r; lower for longer sources.
        noise: the standard deviation of the noise in training.
        inference: soft weights, as in training, or hard selection: one position a step, or none.
    """

    normalized = False

    def __init__(
        self, query_size: int, *, bias: float = -1.0, noise: NonNegative = 1.0, inference: Inference = "soft"
    ) -> None:
        super().__init__(noise, inference)
        self.bias = torch.nn.Parameter(torch.tensor(float(bias)))

    def start(self, memory: Tensor, mask: Tensor) -> Tensor:
        """See `Normalizer.start`; the last weights, `[B, S]`."""
        return first_position_weights(memory, mask)

    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Normalizer.forward`; T is 1."""
        weights = self.monotonic_weights(scores.squeeze(1), state)
        return weights.unsqueeze(1), weights

    def monotonic_weights(self, energies: Tensor, last_weights: Tensor) -> Tensor:
        """a_i of the energies e_i and a_{i-1}, all `[B, S]`."""
        select, skip = self.selection_probabilities(energies + self.bias)
        return select * linear_recurrence(shift_right(skip), last_weights)
