"""Attention, composed of scorers and a normalizer. Only this module masks, normalizes and computes the context."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from seqtool.errors import PartError
from seqtool.parts import tree
from seqtool.parts.intervention import Intervention
from seqtool.parts.kernel import NO_KERNELS, Kernels, accelerated
from seqtool.parts.normalizer import Normalizer
from seqtool.parts.scorer import Scorer
from seqtool.parts.tree import Tree
from seqtool.registry.options import Factory, Size, named


class AttentionFixed(NamedTuple):
    """Constant over a sequence: values `[B, S, M]`, mask `[B, S]`, the trees of the scorers and of the intervention.

    With N > 1 heads every leaf is `[B, N, ...]`.
    """

    values: Tensor
    mask: Tensor
    scorers: tuple[Tree, ...]
    intervention: Tree = ()


class AttentionState(NamedTuple):
    """The state of each step: the trees of the scorers, of the normalizer and of the intervention."""

    scorers: tuple[Tree, ...]
    normalizer: Tree
    intervention: Tree = ()


class Attention(nn.Module):
    """Attention weights over a memory, and the context c_i = sum_j a_ij h_j.

    Equation:
        e = scorer(query, memory);  a = normalizer(e);  c_i = sum_j a_ij h_j

    With `heads` N > 1, queries, keys and values are projected and split into N heads of equal size, which are folded
    into the batch of one scorer. The contexts are concatenated and projected (Vaswani et al. 2017, arXiv 1706.03762,
    section 3.2.2, with any scorer instead of the scaled dot product).

    Args:
        query_size: Q, the size of a query.
        memory_size: M, the size of a memory vector and of the context.
        scorer: computes scores.
        normalizer: computes weights from scores.
        heads: N; must divide Q and M.

    Attributes:
        intervention: replaces the weights while `intervened` is open; None otherwise.

    Raises:
        PartError: the sizes are not divisible by `heads`, or the scorer refuses them.
    """

    intervention: Intervention | None = None
    kernels: Kernels = NO_KERNELS

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        *,
        scorer: Factory[Scorer],
        normalizer: Factory[Normalizer] = named("softmax"),
        heads: Size = 1,
    ) -> None:
        super().__init__()
        if query_size % heads or memory_size % heads:
            raise PartError(
                f"{heads} heads do not divide the query size {query_size} and the memory size {memory_size}",
                option="heads",
                allowed="a number that divides both sizes",
            )
        self.num_heads = heads
        self.memory_size = memory_size
        self.normalizer = normalizer(query_size // heads)
        self.scorers = nn.ModuleList(
            scorer(query_size // heads, memory_size // heads) for _ in range(self.normalizer.num_energies)
        )
        if self.normalizer.log_weights and not all(part.log_weights for part in self._scorers()):
            warnings.warn(
                f"{type(self.normalizer).__name__} takes scores as logarithms of weights, which "
                f"{type(self.scorers[0]).__name__} does not return: weights may become very large",
                stacklevel=2,
            )
        if heads > 1:
            # a projection whose result is not used would get no gradient
            reads_query = self.normalizer.reads_query or any(part.reads_query for part in self._scorers())
            reads_memory = any(part.reads_memory for part in self._scorers())
            self.query_map = nn.Linear(query_size, query_size, bias=False) if reads_query else nn.Identity()
            self.key_map = nn.Linear(memory_size, memory_size, bias=False) if reads_memory else nn.Identity()
            self.value_map = nn.Linear(memory_size, memory_size, bias=False)
            self.context_map = nn.Linear(memory_size, memory_size, bias=False)

    @property
    def parallel(self) -> bool:
        """Whether all target steps can be computed in parallel, without a loop."""
        return self.normalizer.parallel and all(scorer.parallel for scorer in self._scorers())

    def start(self, memory: Tensor, mask: Tensor) -> tuple[AttentionFixed, AttentionState]:
        """`memory [B, S, M]`, `mask [B, S]` -> `(fixed, state)`."""
        if memory.dim() != 3 or mask.shape != memory.shape[:2] or mask.dtype != torch.bool:
            raise PartError(
                f"attention takes memory [B, S, M] and a bool mask [B, S]; got {list(memory.shape)} and "
                f"{mask.dtype} {list(mask.shape)}"
            )
        keys, values = memory, memory
        if self.num_heads > 1:
            keys, values = self._fold(self.key_map(memory)), self._fold(self.value_map(memory))
            mask = mask.repeat_interleave(self.num_heads, 0)
        scorers_fixed, scorers_state = zip(*(part.start(keys, mask) for part in self._scorers()), strict=True)
        fixed = AttentionFixed(values, mask, scorers_fixed)
        state = AttentionState(scorers_state, self.normalizer.start(keys, mask))
        if self.intervention is not None:
            its_fixed, its_state = self.intervention.start(mask, self.num_heads)
            fixed, state = fixed._replace(intervention=its_fixed), state._replace(intervention=its_state)
        if self.num_heads == 1:
            return fixed, state
        return tree.unfold(fixed, self.num_heads), tree.unfold(state, self.num_heads)

    @accelerated
    def forward(
        self, query: Tensor, fixed: AttentionFixed, state: AttentionState
    ) -> tuple[Tensor, Tensor, AttentionState]:
        """`query [B, T, Q]` -> `(context [B, T, M], weights [B, N, T, S], state)`."""
        if query.dim() != 3 or len(query) != len(fixed.values):
            raise PartError(f"attention takes queries [B, T, Q], B = {len(fixed.values)}; got {list(query.shape)}")
        batch_size, steps, _ = query.shape
        if self.num_heads > 1:
            fixed, state = tree.fold(fixed), tree.fold(state)
            query = self._fold(self.query_map(query))
        if steps == 1 or (self.parallel and self.intervention is None):
            context, weights, state = self._attend(query, fixed, state)
        else:
            parts = []
            for query_t in query.split(1, 1):
                context, weights, state = self._attend(query_t, fixed, state)
                parts.append((context, weights))
            context, weights = (torch.cat(side, 1) for side in zip(*parts, strict=True))
        if self.num_heads == 1:
            return context, weights.unsqueeze(1), state
        state = tree.unfold(state, self.num_heads)
        context = context.unflatten(0, (batch_size, self.num_heads)).transpose(1, 2).flatten(2)
        joined: Tensor = self.context_map(context)
        return joined, weights.unflatten(0, (batch_size, self.num_heads)), state

    def _attend(
        self, query: Tensor, fixed: AttentionFixed, state: AttentionState
    ) -> tuple[Tensor, Tensor, AttentionState]:
        """Score, mask, normalize, mask, sum: `query [B, T, Q]` -> `(context [B, T, M], weights [B, T, S], state)`."""
        values, mask, all_fixed, intervention_fixed = fixed
        before, normalizer_state, intervention_state = state
        padding = ~mask[:, None]
        scorers = self._scorers()
        all_scores, states = [], []
        for scorer, scorer_fixed, scorer_state in zip(scorers, all_fixed, before, strict=True):
            scores, scorer_state = scorer.score(query, scorer_fixed, scorer_state)
            all_scores.append(scores.masked_fill(padding, torch.finfo(scores.dtype).min))
            states.append(scorer_state)
        energies = all_scores[0] if len(scorers) == 1 else torch.stack(all_scores, 1)
        weights, normalizer_state = self.normalizer(energies, mask, query, normalizer_state)
        weights = weights.masked_fill(padding, 0)
        if self.intervention is not None:
            replaced, intervention_state = self.intervention.override(
                weights.squeeze(1), mask, intervention_fixed, intervention_state
            )
            weights = replaced.unsqueeze(1).masked_fill(padding, 0)
        if not self.parallel:
            observed = weights.squeeze(1)
            states = [s.observe(observed, after) for s, after in zip(scorers, states, strict=True)]
        return weights @ values, weights, AttentionState(tuple(states), normalizer_state, intervention_state)

    def _scorers(self) -> list[Scorer]:
        return list(self.scorers)  # type: ignore[arg-type]

    def _fold(self, x: Tensor) -> Tensor:
        """`[B, L, N * F]` -> `[B * N, L, F]`."""
        parts: Tensor = x.unflatten(2, (self.num_heads, -1))
        return parts.transpose(1, 2).flatten(0, 1)


@contextlib.contextmanager
def intervened(module: nn.Module, intervention: Intervention) -> Iterator[None]:
    """Replace the weights of every `Attention` in `module` while the context is open. For trained models only.

    A sequence must start and end inside the context, because its state contains the state of the intervention.

    Raises:
        PartError: the module contains no `Attention`.
    """
    found = [part for part in module.modules() if isinstance(part, Attention)]
    if not found:
        raise PartError(f"{type(module).__name__} has no attention, so there are no weights to replace")
    before = [part.intervention for part in found]
    for part in found:
        part.intervention = intervention
    try:
        yield
    finally:
        for part, intervention_before in zip(found, before, strict=True):
            part.intervention = intervention_before
