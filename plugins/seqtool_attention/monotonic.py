"""Monotonic weights. Raffel et al. 2017, arXiv 1704.00784."""

import torch
from torch import Tensor

from seqtool.api import NonNegative
from seqtool_attention.choice import Chooser, Inference
from seqtool_attention.positions import moved, one_hot_start
from seqtool_attention.recurrence import linear_recurrence


class Monotonic(Chooser):
    """Each step goes on from where the last one stopped, and stops at the first position that it chooses.

    Equation:
        p_ij = sigma(e_ij + r + noise);  q_ij = (1 - p_{i,j-1}) q_{i,j-1} + a_{i-1,j}
        a_ij = p_ij q_ij,  a_0 one-hot at the first position

    Source: Raffel et al. 2017, arXiv 1704.00784, eqs 11-14; noise and r: section 2.5.

    Weights sum to at most one: the rest is the chance that a step runs past the end, from where no step comes back.
    So r starts below zero, which makes all positions reachable. The papers choose hard at inference; train with noise
    for that, so that p learns to be near 0 or 1.

    When to use: sources that are read in order and perhaps as they come, with hard choices at inference. Where nothing
    has to be decided early, `softmax` is easier to train.

    Args:
        query_size: Q; not looked at.
        bias: what r starts at; the longer the source, the lower.
        noise: the standard deviation of the noise in training.
        inference: soft weights, as in training, or hard choices: one position a step, or none.
    """

    normalized = False

    def __init__(
        self, query_size: int, *, bias: float = -1.0, noise: NonNegative = 1.0, inference: Inference = "soft"
    ) -> None:
        super().__init__(noise, inference)
        self.bias = torch.nn.Parameter(torch.tensor(float(bias)))

    def start(self, memory: Tensor, mask: Tensor) -> Tensor:
        """See `Normalizer.start`; the weights of the step before, `[B, S]`."""
        return one_hot_start(memory, mask)

    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Normalizer.forward`; T is 1."""
        weights = self.marginals(scores.squeeze(1), state)
        return weights.unsqueeze(1), weights

    def marginals(self, energies: Tensor, before: Tensor) -> Tensor:
        """a_i of a step's energies and a_{i-1}, all `[B, S]`."""
        chance, other = self.chances(energies + self.bias)
        return chance * linear_recurrence(moved(other), before)
