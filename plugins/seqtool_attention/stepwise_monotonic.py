"""Stepwise monotonic attention. He et al. 2019, arXiv 1906.00672, section 3."""

from torch import Tensor

from seqtool.api import NonNegative
from seqtool_attention.positions import first_position_weights, last_position_mask, shift_right
from seqtool_attention.selection import Inference, SelectionNormalizer


class StepwiseMonotonic(SelectionNormalizer):
    """Each step stays at the last position or moves to the next one; no position is skipped.

    Equation:
        p_ij = sigma(e_ij + noise), and 1 at the last real position
        a_ij = a_{i-1,j} p_ij + a_{i-1,j-1} (1 - p_{i,j-1}),  a_0 one-hot at the first position

    Source: He et al. 2019, arXiv 1906.00672, section 3; p = 1 at the end keeps the sum at one.

    When to use: targets that follow their whole source in order without omissions, as in speech synthesis. The weights
    move by at most one position a step, so the end of a memory much longer than the target is never reached; the
    `pyramid` encoder shortens the memory.

    Args:
        query_size: Q; unused.
        noise: the standard deviation of the noise in training.
        inference: soft weights, as in training, or hard selection: one position a step.
    """

    def __init__(self, query_size: int, *, noise: NonNegative = 1.0, inference: Inference = "soft") -> None:
        super().__init__(noise, inference)

    def start(self, memory: Tensor, mask: Tensor) -> Tensor:
        """See `Normalizer.start`; the last weights, `[B, S]`."""
        return first_position_weights(memory, mask)

    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Normalizer.forward`; T is 1."""
        stay, move = self.selection_probabilities(scores.squeeze(1))
        last = last_position_mask(mask)
        weights = state * stay.masked_fill(last, 1) + shift_right(state * move.masked_fill(last, 0))
        return weights.unsqueeze(1), weights
