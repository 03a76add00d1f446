"""The contract of a scorer: query and memory -> scores, before normalization."""

from torch import Tensor, nn

from seqtool.parts.kernel import NO_KERNELS, Kernels, accelerated
from seqtool.parts.tree import Tree


class Scorer(nn.Module):
    """Takes `(query_size, memory_size, *, ...)`. Does not mask or normalize: `Attention` does.

    Attributes:
        parallel: whether `score` accepts T > 1 queries in parallel; False if the scores of a step depend on the
            attention weights of the previous step.
        log_weights: whether scores are logarithms of weights, as the `exp` normalizer expects.
        reads_memory: whether scores depend on the content of the memory; False if they depend on positions alone.
        reads_query: whether scores depend on the query.
    """

    kind = "scorer"
    kernels: Kernels = NO_KERNELS
    parallel: bool = True
    log_weights: bool = False
    reads_memory: bool = True
    reads_query: bool = True

    @accelerated
    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tree, Tree]:
        """`(fixed, state)` for `memory [B, S, M]`, `mask [B, S]`: trees of tensors `[B, ...]`, `()` for none.

        Keys are projected here, once. The default is `(memory, ())`.
        """
        return memory, ()

    def score(self, query: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        """`query [B, T, Q]` -> `(scores [B, T, S], state)`; scores at padding are any finite number."""
        raise NotImplementedError

    def observe(self, weights: Tensor, state: Tree) -> Tree:
        """The state after a step with attention `weights [B, S]`. Called only if the scorer is not parallel."""
        return state
