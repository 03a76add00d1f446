"""Weights that stay or move one position on. He et al. 2019, arXiv 1906.00672."""

from torch import Tensor

from seqtool.api import NonNegative
from seqtool_attention.choice import Chooser, Inference
from seqtool_attention.positions import is_last, moved, one_hot_start


class StepwiseMonotonic(Chooser):
    """Each step stays where the last one was, or moves to the next position: none is skipped.

    Equation:
        p_ij = sigma(e_ij + noise), and 1 at the last real position
        a_ij = a_{i-1,j} p_ij + a_{i-1,j-1} (1 - p_{i,j-1}),  a_0 one-hot at the first position

    Source: He et al. 2019, arXiv 1906.00672, section 3; p = 1 at the end is what keeps the sum at one.

    When to use: targets that tell all of their source in its order, such as speech from text, and must skip nothing. It
    moves by at most one position a step, so a memory much longer than the target is never read to its end: shorten it
    with the `pyramid` encoder.

    Args:
        query_size: Q; not looked at.
        noise: the standard deviation of the noise in training.
        inference: soft weights, as in training, or hard choices: one position a step.
    """

    def __init__(self, query_size: int, *, noise: NonNegative = 1.0, inference: Inference = "soft") -> None:
        super().__init__(noise, inference)

    def start(self, memory: Tensor, mask: Tensor) -> Tensor:
        """See `Normalizer.start`; the weights of the step before, `[B, S]`."""
        return one_hot_start(memory, mask)

    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Normalizer.forward`; T is 1."""
        stay, move = self.chances(scores.squeeze(1))
        last = is_last(mask)
        weights = state * stay.masked_fill(last, 1) + moved(state * move.masked_fill(last, 0))
        return weights.unsqueeze(1), weights
