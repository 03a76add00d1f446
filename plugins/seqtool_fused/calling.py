"""What all kernels in C share: tensors as pointers, and gradients."""

import ctypes
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from seqtool.api import Kernel
from seqtool_fused.library import library, missing

Numbers = tuple[Tensor, ...]


def pointers(tensors: Iterable[Tensor]) -> Any:
    """Where each of these begins: what C reads as an array of pointers."""
    found = [tensor.data_ptr() for tensor in tensors]
    return (ctypes.c_int64 * len(found))(*found)


def call(name: str, *arguments: Any) -> None:
    """Call a C function that returns 0.

    Tree and what ctypes makes go by pointer, None as NULL, whole numbers as `int64_t`.

    Every tensor must be contiguous, and live until the call is over. The number of torch's threads comes last.

    Raises:
        MemoryError: it returned something else.
    """
    given = [*map(_number, arguments), torch.get_num_threads()]
    if _function(name, len(given))(*given):
        raise MemoryError(f"no memory for {name}")


def _number(argument: Any) -> int:
    if isinstance(argument, Tensor):
        assert argument.is_contiguous(), "C reads tensors without their strides"
        return argument.data_ptr()
    if argument is None or isinstance(argument, int):
        return argument or 0
    return ctypes.addressof(argument)


@functools.cache
def _function(name: str, arguments: int) -> Any:
    """A function of the library, all of whose arguments are 64 bits wide: `int64_t` or pointers."""
    function = getattr(library(), name)
    function.argtypes = (ctypes.c_int64,) * arguments
    return function


def own(of: Tensor | None, like: Tensor) -> Tensor:
    """A gradient that may be overwritten: a copy, or zeros where there is none."""
    return torch.zeros_like(like) if of is None else of.clone(memory_format=torch.contiguous_format)


def with_parameters(module: nn.Module, parameters: dict[str, Tensor], use: Callable[[Any], Numbers]) -> Numbers:
    """`use(module)`, with other tensors in the place of some of the module's parameters."""
    replaced = {f"module.{name}": value for name, value in parameters.items()}
    result: Numbers = functional_call(_Used(module, use), replaced, ())
    return result


class _Used(nn.Module):
    def __init__(self, module: nn.Module, use: Callable[[Any], Numbers]) -> None:
        super().__init__()
        self.module, self.use = module, use

    def forward(self) -> Numbers:
        return self.use(self.module)


class FusedKernel(Kernel):
    """A kernel in C."""

    def unavailable(self) -> str | None:
        """See `Kernel.unavailable`."""
        return missing()


class Operation:
    """A computation in C with its gradient.

    `forward(*inputs)` gives the outputs and what `backward` wants to see again; `backward(saved, inputs, of_outputs,
    wanted)` gives a gradient for each input, None where it is not `wanted`, of outputs' gradients, None where those are
    zero; `reference(*inputs)` gives the outputs by torch's own operations.
    """

    def forward(self, *inputs: Tensor) -> tuple[Numbers, Numbers]:
        raise NotImplementedError

    def backward(
        self, saved: Numbers, inputs: Numbers, of_outputs: Sequence[Tensor | None], wanted: Sequence[bool]
    ) -> tuple[Tensor | None, ...]:
        raise NotImplementedError

    def reference(self, *inputs: Tensor) -> Numbers:
        raise NotImplementedError

    def __call__(self, *inputs: Tensor) -> Numbers:
        """The outputs, with a gradient where one will be asked for."""
        if torch.is_grad_enabled() and any(x.requires_grad for x in inputs):
            result: Numbers = _Differentiable.apply(self, *inputs)  # type: ignore[no-untyped-call]
            return result
        return self.forward(*inputs)[0]


class _Differentiable(torch.autograd.Function):
    """A kernel's gradient; where a gradient of that will be asked for, the reference's."""

    @staticmethod
    def forward(ctx: Any, operation: Operation, *inputs: Tensor) -> Numbers:
        outputs, saved = operation.forward(*inputs)
        ctx.operation, ctx.num_inputs = operation, len(inputs)
        ctx.save_for_backward(*inputs, *saved)
        ctx.set_materialize_grads(False)
        return outputs

    @staticmethod
    def backward(ctx: Any, *of_outputs: Tensor | None) -> tuple[Tensor | None, ...]:
        inputs, saved = ctx.saved_tensors[: ctx.num_inputs], ctx.saved_tensors[ctx.num_inputs :]
        wanted = ctx.needs_input_grad[1:]
        if not torch.is_grad_enabled():
            return None, *ctx.operation.backward(saved, inputs, of_outputs, wanted)
        found = iter(_twice_differentiable(ctx.operation.reference, inputs, of_outputs, wanted))
        return None, *(next(found) if want else None for want in wanted)


def _twice_differentiable(
    reference: Callable[..., Numbers],
    inputs: Numbers,
    of_outputs: Sequence[Tensor | None],
    wanted: Sequence[bool],
) -> tuple[Tensor | None, ...]:
    inputs = tuple(x.view_as(x) for x in inputs)  # one may come of another, and its own share alone is asked for
    asked = [x for x, want in zip(inputs, wanted, strict=True) if want]
    outputs = reference(*inputs)
    pairs = [(x, g) for x, g in zip(outputs, of_outputs, strict=True) if x.requires_grad and g is not None]
    ours, theirs = zip(*pairs, strict=True)
    return torch.autograd.grad(ours, asked, theirs, create_graph=True, allow_unused=True)
