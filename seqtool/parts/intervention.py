"""The contract of an intervention, which replaces attention weights while a trained model runs."""

from torch import Tensor

from seqtool.parts.tree import Tree


class Intervention:
    """Replaces attention weights after the normalizer and before the context is computed.

    Weights have R rows, one for each head of each example; the heads of an example are adjacent. `fixed` contains what
    an intervention needs to know about a row, such as its gold alignment, and `state` what it remembers, such as the
    step number or earlier weights. Both are trees of tensors `[R, ...]` and belong to the trees of the attention, so
    searches repeat and select their rows.
    """

    def start(self, mask: Tensor, num_heads: int) -> tuple[Tree, Tree]:
        """`(fixed, state)` before the first step, for `mask [R, S]`."""
        return (), ()

    def override(self, weights: Tensor, mask: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        """One step: the model's `weights [R, S]` -> `(new weights [R, S], state)`. Padding is zeroed afterwards."""
        raise NotImplementedError
