"""The contract of an intervention: weights of an attention replaced while a trained model runs, for those who look."""

from torch import Tensor

from seqtool.parts.tree import Tree


class Intervention:
    """Replaces the weights of an attention after the normalizer has made them and before the context is made.

    Weights come in R rows: every head of every example is one, the heads of an example side by side. What an
    intervention must know of a row (its gold alignment) is `fixed`, what it must remember (steps, earlier weights) is
    `state`, trees of tensors `[R, ...]`; both are part of the attention's own, so that searches repeat and select them
    with those.
    """

    def start(self, mask: Tensor, num_heads: int) -> tuple[Tree, Tree]:
        """`(fixed, state)` before the first step, for `mask [R, S]`."""
        return (), ()

    def override(self, weights: Tensor, mask: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        """One step's own `weights [R, S]` -> `(weights [R, S] instead, state)`; padding is zeroed afterwards."""
        raise NotImplementedError
