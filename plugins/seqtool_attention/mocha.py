"""Monotonic chunkwise weights. Chiu & Raffel 2018, arXiv 1712.05382."""

import torch
from torch import Tensor
from torch.nn import functional as F

from seqtool.api import NonNegative, Size
from seqtool_attention.choice import Inference
from seqtool_attention.monotonic import Monotonic


class MoChA(Monotonic):
    """A position is chosen as monotonic attention does; a softmax looks at it and the few before it.

    Equation:
        a_ij as monotonic has it;  b_ij = sum_{k=j}^{j+w-1} a_ik exp(u_ij) / sum_{l=k-w+1}^{k} exp(u_il)

    Source: Chiu & Raffel 2018, arXiv 1712.05382, eqs 19-23.

    The weights are b; what goes from step to step is a. It asks for two energies, e and u, of a scorer each.

    When to use: as `monotonic`, where a step needs a few neighbours at once rather than one position, as in writing
    down speech while it is spoken. It costs a second scorer.

    Args:
        query_size: Q; not looked at.
        width: w, how many positions the softmax looks at.
        bias: what r of the monotonic part starts at; the longer the source, the lower.
        noise: the standard deviation of the noise on e in training.
        inference: soft weights, as in training, or hard choices: one chunk a step, or none.
    """

    num_energies = 2

    def __init__(
        self,
        query_size: int,
        *,
        width: Size = 4,
        bias: float = -1.0,
        noise: NonNegative = 1.0,
        inference: Inference = "soft",
    ) -> None:
        super().__init__(query_size, bias=bias, noise=noise, inference=inference)
        self.width = width

    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Normalizer.forward`; scores are `[B, 2, 1, S]`, e first."""
        energies, chunk_energies = scores.squeeze(2).unbind(1)
        marginals = self.marginals(energies, state)
        return spread(marginals, chunk_energies, self.width).unsqueeze(1), marginals


def spread(marginals: Tensor, energies: Tensor, width: int) -> Tensor:
    """Each position's weight over the chunk that ends there, by a softmax of the chunk's energies: `[B, S]`."""
    lowest = torch.finfo(energies.dtype).min
    chunks = F.pad(energies, (width - 1, 0), value=lowest).unfold(1, width, 1)  # [B, S, w], ends first to last
    parts = marginals.unsqueeze(2) * chunks.softmax(-1)
    length = energies.shape[1]
    # part m of the chunk that ends at k stands at k - (w - 1) + m; what would stand before the source weighs nothing
    return sum(
        (F.pad(parts[:, width - 1 - m :, m], (0, min(width - 1 - m, length))) for m in range(width)),
        torch.zeros_like(marginals),
    )
