"""The contract of a kernel, a faster implementation of one method of a part, and the dispatch that chooses it."""

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
    """

    kind = "kernel"
    parts: ClassVar[tuple[str, ...]]
    method: ClassVar[str] = "unroll"
    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    dtypes: ClassVar[tuple[torch.dtype, ...]] = (torch.float32,)
    examples: ClassVar[tuple[tuple[str, Mapping[str, Any]], ...]]
    tolerance: ClassVar[float] = 1e-5

    def unavailable(self) -> str | None:
        """Why it can serve nothing on this machine; None where it can."""
        return None

    def unsupported(self, part: Any) -> str | None:
        """Why it cannot serve this part, one of `parts`: an option, a size; None where it can."""
        return None

    def skipped_modules(self, part: Any) -> Iterable[nn.Module]:
        """The modules whose hooks would not run; by default all modules of the part."""
        return part.children() if isinstance(part, nn.Module) else ()

    def tensors(self, part: Any, *arguments: Any, **named: Any) -> Iterable[Tensor]:
        """The floating-point tensors that a call computes with; by default all of the arguments and parameters."""
        given = [leaf for argument in (*arguments, *named.values()) for leaf in tree.leaves(argument)]
        return (*(leaf for leaf in given if leaf.is_floating_point()), *part.parameters())

    def works_on(self, device: torch.device) -> bool:
        """Whether it computes with tensors on this device."""
        return device.type in self.devices

    def verify(self, part: Any, *arguments: Any, **named: Any) -> str | None:
        """Why it cannot compute this call; None where it can.

        It refuses parts that it does not serve any more, what it would not notice (a hook on a module that it skips, an
        intervention anywhere within), traced and transformed calls, autocast, and tensors that are empty, of another
        dtype or on another device. A kernel with further conditions extends it.
        """
        if torch_internals.is_transforming():
            return "torch.func or tracing is active"
        return (
            self.unsupported(part)
            or _interference(part, self.skipped_modules(part))
            or self._refusal(self.tensors(part, *arguments, **named))
        )

    def __call__(self, part: Any, *arguments: Any, **named: Any) -> Any:
        """What `part.method(*arguments)` returns; only called where `verify` returned None."""
        raise NotImplementedError

    def reference(self, part: Any, *arguments: Any, **named: Any) -> Any:
        """What the part's own code returns."""
        return getattr(type(part), self.method).reference(part, *arguments, **named)

    def _refusal(self, tensors: Iterable[Tensor]) -> str | None:
        device = None
        for x in tensors:
            if type(x) not in PLAIN:
                return f"it takes plain tensors, not {type(x).__name__}"
            if x.dtype not in self.dtypes:
                return f"it works in {', '.join(map(dtype_name, self.dtypes))}, and a tensor is {dtype_name(x.dtype)}"
            if not x.numel():
                return "a tensor is empty"
            if device is None:
                device = x.device
            elif x.device != device:
                return f"its tensors are on {device} and {x.device}"
        if device is None:
            return None
        if not self.works_on(device):
            return f"it works on {', '.join(self.devices)}, and its tensors are on {device.type}"
        return "autocast is enabled" if torch.is_autocast_enabled(device.type) else None


Kernels = Mapping[str, tuple[Kernel, ...]]
"""The kernels of one part by the method that they compute, in the order in which they are asked."""

NO_KERNELS: Kernels = MappingProxyType({})

_reference_only: ContextVar[bool] = ContextVar("reference_only", default=False)


def accelerated(method: Method) -> Method:
    """Mark a method that kernels may compute.

    Each call asks the kernels of `self.kernels` for this method, in order, to `verify` it; the first without objection
    computes it, else the method does. The class is a contract's (`Cell`, `Decoder`, ...) or has an attribute `kernels`.
    An override is marked itself; when it calls the method of its base class by `super()`, no kernel is asked again.
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
    """Whether kernels may compute this method of a part or of a class."""
    cls = part if isinstance(part, type) else type(part)
    return hasattr(getattr(cls, method, None), "reference")


@contextlib.contextmanager
def reference_only() -> Iterator[None]:
    """While open, every part of this thread runs its own code: for inspection of modules that a kernel would skip."""
    token = _reference_only.set(True)
    try:
        yield
    finally:
        _reference_only.reset(token)


def dtype_name(dtype: torch.dtype) -> str:
    """`float32` of `torch.float32`."""
    return str(dtype).removeprefix("torch.")


def _interference(part: Any, skipped: Iterable[nn.Module]) -> str | None:
    """What would go unnoticed if the modules `skipped` were not called."""
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
