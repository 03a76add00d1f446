"""The contract of a scorer: how well each memory position answers a query, before normalising."""

from torch import Tensor, nn

from seqtool.parts.kernel import NO_KERNELS, Kernels, accelerated
from seqtool.parts.tree import Tree


class Scorer(nn.Module):
    """Takes `(query_size, memory_size, *, ...)`. Masks and normalises nothing: `Attention` does.

    Attributes:
        parallel: whether `score` may be given T > 1 queries at once. False where the scores of a step
            need the weights of the step before.
        log_weights: whether scores are logarithms of weights, which the `exp` normalizer wants.
        reads_memory: whether scores depend on what the memory holds; False for those that look at positions alone.
        reads_query: whether scores depend on the query; False for those that are the same whatever is asked.
    """

    kind = "scorer"
    kernels: Kernels = NO_KERNELS
    parallel: bool = True
    log_weights: bool = False
    reads_memory: bool = True
    reads_query: bool = True

    @accelerated
    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tree, Tree]:
        """`(fixed, state)` for `memory [B, S, M]`, `mask [B, S]`, trees of tensors `[B, ...]`; `()` for nothing.

        Keys are projected here, once. The default is the memory itself, and no state.
        """
        return memory, ()

    def score(self, query: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        """`query [B, T, Q]` -> `(scores [B, T, S], state)`; scores at padding are any finite number."""
        raise NotImplementedError

    def observe(self, weights: Tensor, state: Tree) -> Tree:
        """The state after seeing the step's `weights [B, S]`; only scorers that are not parallel need it."""
        return state
