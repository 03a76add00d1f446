"""A window of Gaussians that only moves forward. Graves 2013, arXiv 1308.0850, eqs 46-51."""

import torch
from torch import Tensor, nn

from seqtool.api import Scorer, Size, Tensors

LARGEST_EXPONENT = 15.0


class GMM(Scorer):
    """K Gaussians over positions, whose means only move forward; the memory's content is not looked at.

    Equation:
        (w^, d^, b^) = W s_i + c;  mu_i = mu_{i-1} + exp(d^)
        e_ij = log sum_k exp(w^_k - exp(b^_k) (j - mu_ik)^2),  j = 1 .. S,  mu_0 = 0

    Source: Graves 2013, arXiv 1308.0850, eqs 46-51 (variant V0 of Battenberg et al. 2020, arXiv 1910.10288, table 1).

    When to use: source and target run in the same order (handwriting, speech, alignment): it reads forwards whatever
    the memory holds, raw symbols included.

    Our mu is his kappa, our exp(w^) his alpha, our exp(b^) his beta = 1 / (2 sigma^2). With the `exp` normalizer the
    weights are his, unnormalised. Exponents of d^ and b^ stop at 15, so that no step reaches infinity.

    Args:
        query_size: Q, the width of a query s.
        memory_size: M; not looked at.
        components: K, how many Gaussians.
        hidden_size: the width of a tanh layer between s and W, as Battenberg et al. have it; null for none, as Graves.
    """

    log_weights = True
    reads_memory = False

    def __init__(
        self, query_size: int, memory_size: int, *, components: Size = 3, hidden_size: Size | None = None
    ) -> None:
        super().__init__()
        self.components = components
        self.hidden = nn.Sequential()
        if hidden_size:
            self.hidden = nn.Sequential(nn.Linear(query_size, hidden_size), nn.Tanh())
        self.map = nn.Linear(hidden_size or query_size, 3 * components)

    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tensors, Tensors]:
        """See `Scorer.start`; `fixed` is the positions `[B, S]`, `state` the means mu `[B, K]`."""
        position = torch.arange(1, memory.shape[1] + 1, dtype=memory.dtype, device=memory.device)
        return (position.expand(memory.shape[0], -1),), (memory.new_zeros(memory.shape[0], self.components),)

    def score(self, query: Tensor, fixed: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        """See `Scorer.score`."""
        log_weight, log_delta, log_beta = self.map(self.hidden(query)).chunk(3, -1)
        delta = log_delta.clamp(max=LARGEST_EXPONENT).exp()
        steps = query.shape[1]
        if steps > 1:
            delta = delta.new_ones(steps, steps).tril() @ delta
        mean = state[0].unsqueeze(1) + delta
        distance = fixed[0][:, None, None] - mean.unsqueeze(3)
        beta = log_beta.clamp(max=LARGEST_EXPONENT).exp()
        scores = torch.logsumexp(log_weight.unsqueeze(3) - beta.unsqueeze(3) * distance * distance, 2)
        return scores, (mean[:, -1],)
