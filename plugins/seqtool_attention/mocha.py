"""Monotonic chunkwise attention. Chiu & Raffel 2018, arXiv 1712.05382, eqs 19-23."""

import torch
from torch import Tensor
from torch.nn import functional as F

from seqtool.api import NonNegative, Size
from seqtool_attention.monotonic import Monotonic
from seqtool_attention.selection import Inference


class MoChA(Monotonic):
    """Monotonic attention selects a position; a softmax weights the chunk of positions that ends there.

    Equation:
        a_ij as in monotonic;  b_ij = sum_{k=j}^{j+w-1} a_ik exp(u_ij) / sum_{l=k-w+1}^{k} exp(u_il)

    Source: Chiu & Raffel 2018, arXiv 1712.05382, eqs 19-23.

    The weights are b; the state is a. The energies e and u come from a scorer each.

    When to use: as `monotonic`, where a step needs a few adjacent positions rather than one, as in online speech
    recognition. It needs a second scorer.

    Args:
        query_size: Q; unused.
        width: w, the number of positions in a chunk.
        bias: the initial r of the monotonic part; lower for longer sources.
        noise: the standard deviation of the noise on e in training.
        inference: soft weights, as in training, or hard selection: one chunk a step, or none.
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
        weights = self.monotonic_weights(energies, state)
        return chunkwise_weights(weights, chunk_energies, self.width).unsqueeze(1), weights


def chunkwise_weights(weights: Tensor, energies: Tensor, width: int) -> Tensor:
    """b of the monotonic weights a and the chunk energies u, all `[B, S]`."""
    lowest = torch.finfo(energies.dtype).min
    chunks = F.pad(energies, (width - 1, 0), value=lowest).unfold(1, width, 1)  # [B, S, w]: chunk k ends at k
    parts = weights.unsqueeze(2) * chunks.softmax(-1)
    length = energies.shape[1]
    # entry m of the chunk that ends at k is position k - (w - 1) + m; entries before the source are dropped
    return sum(
        (F.pad(parts[:, width - 1 - m :, m], (0, min(width - 1 - m, length))) for m in range(width)),
        torch.zeros_like(weights),
    )
