"""The contract of a kernel, a faster implementation of one method of a part, and the dispatch to kernels."""

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from seqtool.parts import torch_internals, tree

Method = TypeVar("Method", bound=Callable[..., Any])
PLAIN = (Tensor, nn.Parameter)


class Kernel:
    """A faster implementation of `method` for the parts listed in `parts`.

    It computes one part at a time, and only if neither `unsupported` nor `verify` returns an objection. A kernel has no
    state: parameters belong to the part, so checkpoints are interchangeable. `seqtool.build.kernels` stores the kernels
    of a part in its attribute `kernels`; `accelerated` consults them at each call.

    Attributes:
        parts: canonical names of the parts that it computes, such as "cell/cells:lstm"; "attention" and "model" are the
            core's `Attention` and `Seq2Seq`. A subclass of a part does not count as that part.
        method: the method that it computes, which the parts mark with `accelerated`.
        devices: the device types that it supports.
        dtypes: the floating-point dtypes that it supports.
        examples: parts that it supports (modules or optimizers), as "kind/name" and options; the contract suite tests
            them.
        tolerance: the largest error of outputs and gradients against the float64 reference, relative to the largest
            absolute value of each tensor.
        priority: of several kernels of a method, the one with the highest priority is asked first; with equal
            priorities, the first by name.
    """

    kind = "kernel"
    parts: ClassVar[tuple[str, ...]]
    method: ClassVar[str] = "unroll"
    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    dtypes: ClassVar[tuple[torch.dtype, ...]] = (torch.float32,)
    examples: ClassVar[tuple[tuple[str, Mapping[str, Any]], ...]]
    tolerance: ClassVar[float] = 1e-5
    priority: ClassVar[int] = 0

    def unavailable(self) -> str | None:
        """Why it cannot run on this machine; None if it can."""
        return None

    def unsupported(self, part: Any) -> str | None:
        """Why it cannot compute this part, one of `parts` (an option, a size); None if it can."""
        return None

    def skipped_modules(self, part: Any) -> Iterable[nn.Module]:
        """The modules that it does not call, so that their hooks would not run; by default all modules of the part."""
        return part.children() if isinstance(part, nn.Module) else ()

    def tensors(self, part: Any, *arguments: Any, **named: Any) -> Iterable[Tensor]:
        """The floating-point tensors that a call uses; by default those in the arguments, and all parameters."""
        given = [leaf for argument in (*arguments, *named.values()) for leaf in tree.leaves(argument)]
        return (*(leaf for leaf in given if leaf.is_floating_point()), *part.parameters())

    def works_on(self, device: torch.device) -> bool:
        """Whether it supports tensors on this device."""
        return device.type in self.devices

    def verify(self, part: Any, *arguments: Any, **named: Any) -> str | None:
        """Why it cannot compute this call; None if it can.

        It refuses a part that has become unsupported, a hook on a skipped module, an active intervention, tracing,
        `torch.func` transforms, autocast, and tensors that are empty, of another dtype or on another device. A kernel
        with further conditions extends this method.
        """
        if torch_internals.is_transforming():
            return "torch.func or tracing is active"
        return (
            self.unsupported(part)
            or _interference(part, self.skipped_modules(part))
            or self._refusal(self.tensors(part, *arguments, **named))
        )

    def __call__(self, part: Any, *arguments: Any, **named: Any) -> Any:
        """Compute `part.method(*arguments)`. Called only if `verify` returned None."""
        raise NotImplementedError

    def reference(self, part: Any, *arguments: Any, **named: Any) -> Any:
        """Compute the method with the part's own code."""
        return getattr(type(part), self.method).reference(part, *arguments, **named)

    def _refusal(self, tensors: Iterable[Tensor]) -> str | None:
        device = None
        for x in tensors:
            if type(x) not in PLAIN:
                return f"it takes plain tensors, not {type(x).__name__}"
            if x.dtype not in self.dtypes:
                return f"it supports {', '.join(map(dtype_name, self.dtypes))}, and a tensor is {dtype_name(x.dtype)}"
            if not x.numel():
                return "a tensor is empty"
            if device is None:
                device = x.device
            elif x.device != device:
                return f"its tensors are on {device} and {x.device}"
        if device is None:
            return None
        if not self.works_on(device):
            return f"it supports {', '.join(self.devices)}, and its tensors are on {device.type}"
        return "autocast is enabled" if torch.is_autocast_enabled(device.type) else None


Kernels = Mapping[str, tuple[Kernel, ...]]
"""The kernels of a part by method, in order of preference."""

NO_KERNELS: Kernels = MappingProxyType({})

_reference_only: ContextVar[bool] = ContextVar("reference_only", default=False)


def accelerated(method: Method) -> Method:
    """Mark a method that kernels may compute.

    Each call goes to the first kernel in `self.kernels` whose `verify` accepts it, otherwise to the method itself. The
    class is a contract (`Cell`, `Decoder`, ...) or defines the attribute `kernels`. An override must be marked too; a
    call of the base method by `super()` is not dispatched again.
    """
    name = method.__name__

    @functools.wraps(method)
    def dispatched(self: Any, *arguments: Any, **named: Any) -> Any:
        kernels = self.kernels
        if kernels and not torch.compiler.is_compiling() and not _reference_only.get():
            for kernel in kernels.get(name, ()) if getattr(type(self), name) is dispatched else ():
                if kernel.verify(self, *arguments, **named) is None:
                    return kernel(self, *arguments, **named)
        return method(self, *arguments, **named)

    vars(dispatched)["reference"] = method
    return dispatched  # type: ignore[return-value]


def is_accelerated(part: object, method: str) -> bool:
    """Whether a method of a part or class is marked with `accelerated`."""
    cls = part if isinstance(part, type) else type(part)
    return hasattr(getattr(cls, method, None), "reference")


@contextlib.contextmanager
def reference_only() -> Iterator[None]:
    """Disable kernels in this thread while the context is open, for inspecting modules that a kernel would skip."""
    token = _reference_only.set(True)
    try:
        yield
    finally:
        _reference_only.reset(token)


def dtype_name(dtype: torch.dtype) -> str:
    """`torch.float32` -> `float32`."""
    return str(dtype).removeprefix("torch.")


def _interference(part: Any, skipped: Iterable[nn.Module]) -> str | None:
    """Which hook or intervention would have no effect if the modules `skipped` were not called."""
    if vars(part).get("intervention") is not None:
        return "an intervention replaces its attention weights"
    if torch_internals.has_global_hooks():
        return "a hook on all modules is registered"
    for module in torch_internals.modules_within(skipped):
        if torch_internals.has_hooks(module):
            return f"a hook is registered on its {type(module).__name__}"
        if module.__dict__.get("intervention") is not None:
            return "an intervention replaces attention weights"
    return None
