"""A pretended device: tensors on the CPU that claim to be on another device, and a record of operations that wait.

Their `device` is `DEVICE`, so code takes the same branches as on an accelerator. Operations run on the CPU. Operations
that would wait for a GPU are recorded, and operations on tensors of two devices raise an error, as on a GPU.
"""

import traceback
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = torch.device("meta")
"""A device that autograd supports and that no part names."""
CPU = torch.device("cpu")
aten = torch.ops.aten
READS = {
    aten._local_scalar_dense.default: "a number is read (item, tolist, bool, int or float of a tensor)",
    aten.equal.default: "two tensors are compared and the answer is read",
    aten.nonzero.default: "nonzero has as many rows as the device finds",
    aten.masked_select.default: "masked_select has as many numbers as the device finds",
    aten.multinomial.default: "multinomial reads the sums of its rows",
    aten.bincount.default: "bincount has as many bins as the device finds",
    aten._unique2.default: "unique has as many numbers as the device finds",
}
INDEXED = (aten.index.Tensor, aten.index_put_.default, aten.index_put.default)
COPIES = (aten._to_copy.default, aten.copy_.default)


class Elsewhere(Tensor):
    """A tensor on the device, with its numbers in `inner`."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> "Elsewhere":
        made: Elsewhere = Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            layout=inner.layout,
            device=DEVICE,
        )
        made.inner = inner
        return made

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.detach().cpu().__reduce_ex__(protocol)

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"Elsewhere({self.inner})"

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise RuntimeError(f"{function} outside of PretendDevice")


class DeviceGenerator(torch.Generator):
    """A generator that claims to be on `DEVICE` if it is created for it."""

    places: ClassVar[dict[int, torch.device]] = {}

    def __new__(cls, device: Any = CPU) -> "DeviceGenerator":
        made = super().__new__(cls, CPU)
        made.place = torch.device(device)
        return made

    @property
    def device(self) -> torch.device:
        return self.place


class PretendDevice:
    """While entered, `DEVICE` is a device with its own memory.

    Attributes:
        waits: operations that would wait for a GPU, in order, each with its line of code.
        wide: float64 tensors on the device, likewise; not every device supports them.
        entering: number of copies from pageable memory to the device.
    """

    def __init__(self) -> None:
        self.waits: list[str] = []
        self.wide: list[str] = []
        self._modes = (_Functions(self), _Operations(self))
        self._generator = torch.Generator

    def __enter__(self) -> "PretendDevice":
        torch.Generator = DeviceGenerator  # type: ignore[misc]
        for mode in self._modes:
            mode.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        for mode in reversed(self._modes):
            mode.__exit__(*error)
        torch.Generator = self._generator  # type: ignore[misc]

    def clear(self) -> None:
        """Clear the records."""
        self.waits.clear()
        self.wide.clear()

    def wait(self, reason: str) -> None:
        """Record an operation that waits, with its line of code."""
        self.waits.append(f"{reason}: {_place()}")


class _Operations(TorchDispatchMode):
    """Handles all operations on tensors of the device."""

    def __init__(self, device: PretendDevice) -> None:
        super().__init__()
        self.device = device

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        given = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
        target = kwargs.get("device")
        there = any(isinstance(one, Elsewhere) for one in given)
        if not there and target != DEVICE:
            return function(*args, **kwargs)
        self._note(function, args, kwargs, given)
        if target is not None:
            kwargs["device"] = CPU
        plain_args, plain_kwargs = tree_map(_plain, (args, kwargs))
        result = function(*plain_args, **plain_kwargs)
        leaves = target is not None and target != DEVICE
        if leaves or (function is aten.copy_.default and not isinstance(args[0], Elsewhere)):
            return args[0] if function is aten.copy_.default else result
        if function is aten.lift_fresh.default:
            return args[0]
        made = tree_map(lambda one: Elsewhere(one) if isinstance(one, Tensor) else one, result)
        for one in tree_leaves(made):
            if isinstance(one, Tensor) and one.dtype in (torch.float64, torch.complex128):
                self.device.wide.append(f"{function} gives {one.dtype}: {_place()}")
        return return_and_correct_aliasing(function, args, kwargs, made)

    def _note(self, function: Any, args: Any, kwargs: Any, given: list[Tensor]) -> None:
        if function in READS:
            self.device.wait(READS[function])
        elif function in INDEXED:
            single = len(args) > 2 and args[2].numel() == 1  # equals masked_fill
            if any(one is not None and one.dtype in (torch.bool, torch.uint8) for one in args[1]) and not single:
                self.device.wait("a mask picks as many numbers as the device finds")
            if any(one is not None and not isinstance(one, Elsewhere) for one in args[1]):
                self.device.wait("an index is copied to the device")
        elif function is aten.repeat_interleave.Tensor and kwargs.get("output_size") is None:
            self.device.wait("repeat_interleave has as many numbers as the device finds")
        elif function in COPIES:
            outward = isinstance(given[-1], Elsewhere) and (
                kwargs.get("device", DEVICE) != DEVICE or not isinstance(given[0], Elsewhere)
            )
            inward = not isinstance(given[-1], Elsewhere)
            if outward or inward:
                self.device.wait(f"a copy {'from' if outward else 'to'} the device")
        elif any(one.dim() and not isinstance(one, Elsewhere) for one in given):
            raise RuntimeError(f"{function} of tensors on two devices")


class _Functions(TorchFunctionMode):
    """Handles functions that create tensors from lists, which torch does not dispatch."""

    MAKERS: ClassVar[tuple[Callable[..., Any], ...]] = (torch.tensor, torch.as_tensor, torch.asarray)

    def __init__(self, device: PretendDevice) -> None:
        super().__init__()
        self.device = device

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if function is Tensor.new_tensor and isinstance(args[0], Elsewhere):
            return self._made(args[1], {"dtype": args[0].dtype} | kwargs)
        if function is Tensor.tolist and isinstance(args[0], Elsewhere):
            return args[0].cpu().tolist()
        target = kwargs.get("device")
        if function in self.MAKERS and target is not None and torch.device(target) == DEVICE:
            return self._made(args[0], {name: value for name, value in kwargs.items() if name != "device"})
        return function(*args, **kwargs)

    def _made(self, numbers: Any, kwargs: dict[str, Any]) -> Tensor:
        if isinstance(numbers, Elsewhere):
            return numbers
        self.device.wait("numbers of the host become a tensor on the device")
        return Elsewhere(torch.tensor(numbers, **kwargs, device=CPU))


def to_device(module: nn.Module) -> nn.Module:
    """Move a module's parameters and buffers to the device, in place."""
    for part in module.modules():
        for name, parameter in part._parameters.items():
            if parameter is not None:
                moved = nn.Parameter(Elsewhere(parameter.detach()), parameter.requires_grad)
                part._parameters[name] = moved
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = Elsewhere(buffer)
    return module


def _plain(one: Any) -> Any:
    return one.inner if isinstance(one, Elsewhere) else one


def _place() -> str:
    """The innermost line of the stack outside torch and this file."""
    for frame in reversed(traceback.extract_stack()):
        if "/torch/" not in frame.filename and frame.filename != __file__:
            return f"{frame.filename}:{frame.lineno} {frame.line}"
    return "somewhere"
