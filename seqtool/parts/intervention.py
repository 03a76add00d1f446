"""The contract of an intervention: weights of an attention replaced while a trained model runs, for those who look."""

from torch import Tensor

from seqtool.parts.types import Tensors


class Intervention:
    """Replaces the weights of an attention after the normalizer has made them and before the context is made.

    Weights come in R rows: every head of every example is one, the heads of an example side by side. What an
    intervention must know of a row (its gold alignment) is `fixed`, what it must remember (steps, earlier weights) is
    `state`; both stand behind the attention's own tensors, so that searches repeat and select them with those.

    Attributes:
        num_fixed, num_state: how many tensors `start` gives of each.
    """

    num_fixed: int = 0
    num_state: int = 0

    def start(self, mask: Tensor, num_heads: int) -> tuple[Tensors, Tensors]:
        """`(fixed, state)` before the first step, all `[R, ...]`, for `mask [R, S]`."""
        return (), ()

    def override(self, weights: Tensor, mask: Tensor, fixed: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        """One step's own `weights [R, S]` -> `(weights [R, S] instead, state)`; padding is zeroed afterwards."""
        raise NotImplementedError
