"""What the twins of cells share."""

from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor, nn

from seqtool.api import Tensors, Twin, known_full, lengths
from seqtool_fused.calling import Kernel, Numbers, ready, with_parameters
from seqtool_fused.library import missing

PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class RecurrentKernel(Kernel):
    """All steps of a cell; inputs are x, the tensors of the state, and the cell's `PARAMETERS`."""

    def __init__(self, own: Callable[..., tuple[Tensor, Tensors]], module: Any, mask: Tensor) -> None:
        self.own, self.module, self.mask = own, module, mask
        self.lengths = None if known_full(mask) else lengths(mask)

    def reference(self, *inputs: Tensor) -> Numbers:
        """See `Kernel.reference`."""
        x, *state = inputs[: -len(PARAMETERS)]

        def use(module: nn.Module) -> Numbers:
            outputs, after = self.own(module, x, self.mask, (), tuple(state))
            return outputs, *after

        return with_parameters(self.module, dict(zip(PARAMETERS, inputs[1 + len(state) :], strict=True)), use)


class RecurrentTwin(Twin):
    """`unroll` of a cell, by a kernel."""

    kernel: ClassVar[type[RecurrentKernel]]

    def unavailable(self) -> str | None:
        """See `Twin.unavailable`."""
        return missing()

    def __call__(self, module: Any, x: Tensor, mask: Tensor, fixed: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        """See `Cell.unroll`."""
        weights = [getattr(module, name) for name in PARAMETERS]
        if not x.numel() or not ready(x, *state, *weights):
            result: tuple[Tensor, Tensors] = self.reference(module, x, mask, fixed, state)
            return result
        outputs, *after = self.kernel(self.reference, module, mask)(x, *state, *weights)
        return outputs, tuple(after)
