"""What normalizers that choose share: probabilities from energies, noise in training, hard choices at inference."""

from typing import Literal

import torch
from torch import Tensor

from seqtool.api import NonNegative, Normalizer

Inference = Literal["soft", "hard"]


class Chooser(Normalizer):
    """p_ij = sigma(e_ij + r + noise) is the chance that step i chooses position j when it comes to it.

    Weights are expectations over all such choices in training. At inference they may be the choices themselves, with
    p = 1 where it is above one half and 0 elsewhere: then the same recurrence gives one-hot weights.
    The noise is of torch's default generator, which every training step seeds.
    """

    parallel = False

    def __init__(self, noise: NonNegative, inference: Inference) -> None:
        super().__init__()
        self.noise, self.inference = noise, inference

    def chances(self, energies: Tensor) -> tuple[Tensor, Tensor]:
        """`(p, 1 - p)` of energies, each exact near zero."""
        if self.training and self.noise:
            energies = energies + self.noise * torch.randn_like(energies)
        if self.inference == "hard" and not self.training:
            chosen = (energies > 0).to(energies.dtype)
            return chosen, 1 - chosen
        return energies.sigmoid(), (-energies).sigmoid()
