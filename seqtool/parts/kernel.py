"""The contract of a kernel: a faster form of one method of a part, with the part's own parameters and state."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch


class Kernel:
    """Takes over `method` of parts of the classes `of`, one at a time, where `serves` finds no reason against it.

    A kernel holds nothing: parameters stay the part's, so checkpoints interchange. What only a call knows (another
    dtype, autocast, a gradient of a gradient) it leaves to `reference`, the part's own method. `seqtool.build.kernels`
    chooses among kernels; the part knows nothing of them.

    Attributes:
        of: the classes it knows, "package.module:Class" each; a subclass is another part.
        method: which method it stands in for.
        devices: the types of device that it works on.
        dtypes: the types of parameters that it works with.
        examples: parts that it serves, modules or optimizers, "kind/name" and options as a recipe gives them: what the
            contract suite tries.
        tolerance: how far outputs and gradients may be from the float64 reference, as a share of the largest number.
    """

    kind = "kernel"
    of: ClassVar[tuple[str, ...]]
    method: ClassVar[str] = "unroll"
    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    dtypes: ClassVar[tuple[torch.dtype, ...]] = (torch.float32,)
    examples: ClassVar[tuple[tuple[str, Mapping[str, Any]], ...]]
    tolerance: ClassVar[float] = 1e-5

    def unavailable(self) -> str | None:
        """Why it can serve nothing on this machine; None where it can."""
        return None

    def serves(self, module: Any) -> str | None:
        """Why it cannot serve this part, one of `of`: an option, a size; None where it can."""
        return None

    def __call__(self, module: Any, *arguments: Any) -> Any:
        """What `module.method(*arguments)` returns."""
        raise NotImplementedError

    def reference(self, module: Any, *arguments: Any) -> Any:
        """The part's own method."""
        return getattr(type(module), self.method)(module, *arguments)


def class_name(module: object) -> str:
    """ "package.module:Class" of a part, as `Kernel.of` and `Component.target` give it."""
    return f"{type(module).__module__}:{type(module).__qualname__}"
