"""Position selection, shared by the monotonic normalizers. Raffel et al. 2017, arXiv 1704.00784, section 2."""

from typing import Literal

import torch
from torch import Tensor

from seqtool.api import NonNegative, Normalizer

Inference = Literal["soft", "hard"]


class SelectionNormalizer(Normalizer):
    """p_ij = sigma(e_ij + r + noise) is the probability that step i selects position j when it reaches j.

    In training the weights are expectations over all selections. With hard inference p is 1 where it exceeds 1/2 and 0
    elsewhere, so the same recurrence gives one-hot weights. PyTorch's default generator, which every training step
    seeds, draws the noise.
    """

    parallel = False

    def __init__(self, noise: NonNegative, inference: Inference) -> None:
        super().__init__()
        self.noise, self.inference = noise, inference

    def selection_probabilities(self, energies: Tensor) -> tuple[Tensor, Tensor]:
        """`(p, 1 - p)`, of the shape of `energies`; each is accurate near zero."""
        if self.training and self.noise:
            energies = energies + self.noise * torch.randn_like(energies)
        if self.inference == "hard" and not self.training:
            selected = (energies > 0).to(energies.dtype)
            return selected, 1 - selected
        return energies.sigmoid(), (-energies).sigmoid()
