"""Gaussian mixture attention. Graves 2013, arXiv 1308.0850, eqs 46-51; Battenberg et al. 2020, arXiv 1910.10288."""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqtool.api import Scorer, Size, accelerated, position_dtype

MAX_EXPONENT = 15.0
MIN_SIGMA = 1e-3


class GMM(Scorer):
    """A mixture of K Gaussians over positions, whose means only move forward; the memory's content is ignored.

    Equation:
        (w^, d^, b^) = W s_i + c;  mu_i = mu_{i-1} + delta_i,  mu_0 = 0
        e_ij = log sum_k (w_ik / Z_ik) exp(-(j - mu_ik)^2 / (2 sigma_ik^2)),  j = 1 .. S
        v0:      w = exp(w^), delta = exp(d^), sigma = sqrt(exp(-b^) / 2), Z = 1
        v1:      w = softmax(w^), delta = exp(d^), sigma = sqrt(exp(b^)), Z = sqrt(2 pi sigma^2)
        v2, v2b: w = softmax(w^), delta = softplus(d^), sigma = softplus(b^), Z = sqrt(2 pi sigma^2)

    Source: Graves 2013, arXiv 1308.0850, eqs 46-51 (v0); Battenberg et al. 2020, arXiv 1910.10288, table 1.

    Graves writes kappa for mu, alpha for exp(w^) and beta = 1 / (2 sigma^2) for exp(b^). With the `exp` normalizer the
    weights are those of the papers, not normalised. Exponents are at most 15 and sigma is at least 0.001, so that all
    numbers stay finite.

    When to use: source and target have the same order (handwriting, speech, the alignment task). Sources may have any
    length, and the memory any content, raw symbols included.

    Args:
        query_size: Q, the size of a query s.
        memory_size: M; unused.
        components: K, the number of Gaussians.
        hidden_size: the size of a tanh layer between s and W, as in Battenberg et al.; null for none, as in Graves.
        variant: how (w^, d^, b^) are mapped. v2b is v2 with the initial bias c such that delta = 1 and sigma = 10.
    """

    log_weights = True
    reads_memory = False

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        *,
        components: Size = 3,
        hidden_size: Size | None = None,
        variant: Literal["v0", "v1", "v2", "v2b"] = "v0",
    ) -> None:
        super().__init__()
        self.components, self.variant = components, variant
        self.hidden = nn.Sequential()
        if hidden_size:
            self.hidden = nn.Sequential(nn.Linear(query_size, hidden_size), nn.Tanh())
        self.map = nn.Linear(hidden_size or query_size, 3 * components)
        if variant == "v2b":
            with torch.no_grad():
                self.map.bias[components : 2 * components] = math.log(math.expm1(1.0))
                self.map.bias[2 * components :] = math.log(math.expm1(10.0))

    @accelerated
    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """See `Scorer.start`; `fixed` is the positions `[B, S]`, `state` the means mu `[B, K]`; float32 or wider."""
        position = torch.arange(1, memory.shape[1] + 1, dtype=position_dtype(memory), device=memory.device)
        return position.expand(len(memory), -1), position.new_zeros(len(memory), self.components)

    @accelerated
    def score(self, query: Tensor, fixed: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Scorer.score`."""
        log_weight, delta, beta = self._mixture(*self.map(self.hidden(query)).chunk(3, -1))
        steps = query.shape[1]
        delta = delta.to(state.dtype)
        if steps > 1:
            with torch.autocast(query.device.type, enabled=False):
                delta = delta.new_ones(steps, steps).tril() @ delta
        mean = state.unsqueeze(1) + delta
        distance = fixed[:, None, None] - mean.unsqueeze(3)
        scores = torch.logsumexp(log_weight.unsqueeze(3) - beta.unsqueeze(3) * distance * distance, 2)
        return scores.to(query.dtype), mean[:, -1]

    def _mixture(self, weight: Tensor, delta: Tensor, width: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`(w^, d^, b^)` -> `(log (w / Z), delta, 1 / (2 sigma^2))`, all `[B, T, K]`."""
        if self.variant in ("v2", "v2b"):
            delta, sigma = F.softplus(delta), F.softplus(width).clamp(min=MIN_SIGMA)
        else:
            delta, width = delta.clamp(max=MAX_EXPONENT).exp(), width.clamp(max=MAX_EXPONENT)
            if self.variant == "v0":
                return weight, delta, width.exp()
            sigma = (width / 2).exp().clamp(min=MIN_SIGMA)
        log_weight = weight.log_softmax(-1) - sigma.log() - math.log(2 * math.pi) / 2
        return log_weight, delta, 0.5 / (sigma * sigma)
