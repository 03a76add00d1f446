"""Calls of C functions, and operations in C with gradients: shared by all kernels of this package."""

import ctypes
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from seqtool.api import Kernel
from seqtool_fused.library import library, unavailable_reason

Tensors = tuple[Tensor, ...]


def pointers(tensors: Iterable[Tensor]) -> Any:
    """The addresses of tensors, as a C array."""
    addresses = [tensor.data_ptr() for tensor in tensors]
    return (ctypes.c_int64 * len(addresses))(*addresses)


def call(name: str, *arguments: Any) -> None:
    """Call a C function, which returns 0 on success.

    Tensors, which must be contiguous, and ctypes objects are passed as pointers, None as NULL, and integers as
    `int64_t`. The number of torch's threads is appended.

    Raises:
        MemoryError: the function returned another value.
    """
    words = [*map(_word, arguments), torch.get_num_threads()]
    if _function(name, len(words))(*words):
        raise MemoryError(f"{name} could not allocate memory")


def _word(argument: Any) -> int:
    if isinstance(argument, Tensor):
        assert argument.is_contiguous(), "C code ignores strides"
        return argument.data_ptr()
    if argument is None or isinstance(argument, int):
        return argument or 0
    return ctypes.addressof(argument)


@functools.cache
def _function(name: str, arguments: int) -> Any:
    """A function of the library; all arguments have 64 bits, `int64_t` or pointers."""
    function = getattr(library(), name)
    function.argtypes = (ctypes.c_int64,) * arguments
    return function


def gradient_copy(gradient: Tensor | None, like: Tensor) -> Tensor:
    """A writable copy of a gradient; zeros if it is None."""
    return torch.zeros_like(like) if gradient is None else gradient.clone(memory_format=torch.contiguous_format)


def with_parameters(module: nn.Module, parameters: dict[str, Tensor], use: Callable[[Any], Tensors]) -> Tensors:
    """`use(module)`, with some of the module's parameters replaced."""
    replaced = {f"module.{name}": value for name, value in parameters.items()}
    result: Tensors = functional_call(_Used(module, use), replaced, ())
    return result


class _Used(nn.Module):
    def __init__(self, module: nn.Module, use: Callable[[Any], Tensors]) -> None:
        super().__init__()
        self.module, self.use = module, use

    def forward(self) -> Tensors:
        return self.use(self.module)


class FusedKernel(Kernel):
    """A kernel in C."""

    def unavailable(self) -> str | None:
        """See `Kernel.unavailable`."""
        return unavailable_reason()


class Operation:
    """A differentiable computation in C.

    `forward(*inputs)` returns the outputs and the tensors that `backward` needs. `backward(saved, inputs, grad_outputs,
    needed)` returns the gradient of each input, None if it is not `needed`; a gradient of an output is None if it is
    zero. `reference(*inputs)` returns the outputs, computed by torch.
    """

    def forward(self, *inputs: Tensor) -> tuple[Tensors, Tensors]:
        raise NotImplementedError

    def backward(
        self, saved: Tensors, inputs: Tensors, grad_outputs: Sequence[Tensor | None], needed: Sequence[bool]
    ) -> tuple[Tensor | None, ...]:
        raise NotImplementedError

    def reference(self, *inputs: Tensor) -> Tensors:
        raise NotImplementedError

    def __call__(self, *inputs: Tensor) -> Tensors:
        """The outputs, differentiable if an input requires a gradient."""
        if torch.is_grad_enabled() and any(x.requires_grad for x in inputs):
            result: Tensors = _Differentiable.apply(self, *inputs)  # type: ignore[no-untyped-call]
            return result
        return self.forward(*inputs)[0]


class _Differentiable(torch.autograd.Function):
    """Gradients of the kernel. With `create_graph`, the reference computes them: it can be differentiated again."""

    @staticmethod
    def forward(ctx: Any, operation: Operation, *inputs: Tensor) -> Tensors:
        outputs, saved = operation.forward(*inputs)
        ctx.operation, ctx.num_inputs = operation, len(inputs)
        ctx.save_for_backward(*inputs, *saved)
        ctx.set_materialize_grads(False)
        return outputs

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor | None) -> tuple[Tensor | None, ...]:
        inputs, saved = ctx.saved_tensors[: ctx.num_inputs], ctx.saved_tensors[ctx.num_inputs :]
        needed = ctx.needs_input_grad[1:]
        if not torch.is_grad_enabled():
            return None, *ctx.operation.backward(saved, inputs, grad_outputs, needed)
        gradients = iter(_differentiable_gradients(ctx.operation.reference, inputs, grad_outputs, needed))
        return None, *(next(gradients) if need else None for need in needed)


def _differentiable_gradients(
    reference: Callable[..., Tensors],
    inputs: Tensors,
    grad_outputs: Sequence[Tensor | None],
    needed: Sequence[bool],
) -> tuple[Tensor | None, ...]:
    inputs = tuple(x.view_as(x) for x in inputs)  # one may depend on another; this gives partial derivatives
    sources = [x for x, need in zip(inputs, needed, strict=True) if need]
    outputs = reference(*inputs)
    pairs = [(x, g) for x, g in zip(outputs, grad_outputs, strict=True) if x.requires_grad and g is not None]
    targets, gradients = zip(*pairs, strict=True)
    return torch.autograd.grad(targets, sources, gradients, create_graph=True, allow_unused=True)
