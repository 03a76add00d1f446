"""Dynamic convolution attention. Battenberg et al. 2020, arXiv 1910.10288."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqtool.api import Count, Positive, Scorer, Size
from seqtool_attention.additive_scores import additive_scores
from seqtool_attention.positions import first_position_weights

MIN_PRIOR = 1e-6


class DynamicConvolution(Scorer):
    """Static and query-dependent filters over the last step's weights, and a prior that moves forward.

    Equation:
        f_i = F * a_{i-1};  g_i = G(s_i) * a_{i-1}, G(s) = V_G tanh(W_G s + b_G), each centred, of length 2 r + 1
        p_ij = log max(sum_{m=0}^{n-1} P_m a_{i-1, j-m}, 1e-6),  P beta-binomial(n - 1, alpha, beta)
        e_ij = v . tanh(U f_ij + T g_ij + b) + p_ij,  a_0 one-hot at the first position

    Source: Battenberg et al. 2020, arXiv 1910.10288, eqs 6-8, section 2.3.

    When to use: long sources that are read in order, as in speech synthesis, and sources longer than in training. The
    scores depend on positions alone and the prior only moves forward, so it is useless where the order changes.

    Args:
        query_size: Q, the size of a query s.
        memory_size: M; unused.
        hidden_size: the size of v and of the hidden layer of G; null for the query's size.
        filters: the number of filters in F, and in G.
        radius: r, the number of positions to either side that a filter covers.
        prior_size: n, the length of P; the prior moves by at most n - 1 positions a step.
        alpha: a parameter of the beta-binomial distribution P; a small alpha favours staying in place.
        beta: the other parameter of P.
    """

    parallel = False
    reads_memory = False

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        *,
        hidden_size: Size | None = None,
        filters: Size = 8,
        radius: Count = 10,
        prior_size: Size = 11,
        alpha: Positive = 0.1,
        beta: Positive = 0.9,
    ) -> None:
        super().__init__()
        size, self.radius = hidden_size or query_size, radius
        width = 2 * radius + 1
        self.static_filters = nn.Linear(width, filters, bias=False)
        self.dynamic_filters = nn.Sequential(
            nn.Linear(query_size, size), nn.Tanh(), nn.Linear(size, filters * width, bias=False)
        )
        self.static_map = nn.Linear(filters, size)
        self.dynamic_map = nn.Linear(filters, size, bias=False)
        self.vector = nn.Linear(size, 1, bias=False)
        self.prior = beta_binomial(prior_size - 1, alpha, beta)

    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """See `Scorer.start`; `fixed` is the reversed prior `[B, n]`, `state` the last weights `[B, S]`."""
        # filled on the device: copying a list there would wait for it
        prior = torch.cat([memory.new_full((len(memory), 1), p) for p in reversed(self.prior)], 1)
        return prior, first_position_weights(memory, mask)

    def score(self, query: Tensor, fixed: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Scorer.score`; T is 1."""
        prior, weights = fixed, state
        windows = F.pad(weights, (self.radius, self.radius)).unfold(1, 2 * self.radius + 1, 1)  # [B, S, 2 r + 1]
        filters = self.dynamic_filters(query[:, 0]).unflatten(1, (-1, windows.shape[2]))  # [B, filters, 2 r + 1]
        static, dynamic = self.static_filters(windows), windows @ filters.transpose(1, 2)
        keys, no_query = self.static_map(static), query.new_zeros(len(query), 1, self.vector.in_features)
        scores = additive_scores(no_query, keys, self.vector.weight[0], dynamic, self.dynamic_map.weight)
        earlier = F.pad(weights, (prior.shape[1] - 1, 0)).unfold(1, prior.shape[1], 1)  # [B, S, n]
        shifted = (earlier @ prior.unsqueeze(2)).transpose(1, 2)
        return scores + shifted.clamp(min=MIN_PRIOR).log(), state

    def observe(self, weights: Tensor, state: Tensor) -> Tensor:
        """See `Scorer.observe`."""
        return weights


def beta_binomial(n: int, alpha: float, beta: float) -> list[float]:
    """P(m) = C(n, m) B(m + alpha, n - m + beta) / B(alpha, beta), m = 0 .. n."""

    def log_beta(a: float, b: float) -> float:
        return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)

    log_total = log_beta(alpha, beta)
    return [math.comb(n, m) * math.exp(log_beta(m + alpha, n - m + beta) - log_total) for m in range(n + 1)]
