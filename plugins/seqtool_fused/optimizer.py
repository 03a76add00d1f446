"""Updates of all parameters in C: gradient clipping, Adam and `zero_grad`."""

import ctypes
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.autograd.graph import increment_version

from seqtool.api import has_step_hooks
from seqtool_fused.operation import FusedKernel, call, pointers

STATE = ("exp_avg", "exp_avg_sq", "step")
RULE = ("lr", "eps", "weight_decay", "decoupled_weight_decay")
UNSUPPORTED = ("amsgrad", "maximize", "capturable", "differentiable")
"""Options of torch's Adam that C does not support."""


class _UpdateKernel(FusedKernel):
    parts: ClassVar[tuple[str, ...]] = ("optimizer/training:adam", "optimizer/training:adamw")
    examples = (("optimizer/adam", {"lr": 0.01}), ("optimizer/adamw", {"lr": 0.01}))

    def tensors(self, part: Any, *arguments: Any, **named: Any) -> Iterable[Tensor]:
        """See `Kernel.tensors`; none, since those of an optimizer may be empty."""
        return ()


class AdamKernel(_UpdateKernel):
    """`step` of Adam and AdamW, for all parameters in one call.

    Equation:
        the equations of optimizer/adam and optimizer/adamw

    Source: optimizer/adam and optimizer/adamw.

    When to use: chosen by `engine: auto`. A small model has few numbers in two dozen tensors, and torch has an overhead
    per tensor. torch computes the first step, which creates the state, and steps with hooks.
    """

    method = "step"

    def unsupported(self, module: Any) -> str | None:
        """See `Kernel.unsupported`."""
        enabled = [name for name in UNSUPPORTED if any(group[name] for group in module.param_groups)]
        return f"it does not support {' and '.join(enabled)}" if enabled else None

    def verify(self, part: Any, closure: Callable[[], Any] | None = None) -> str | None:
        """See `Kernel.verify`."""
        return super().verify(part) or ("a hook is registered on its steps" if has_step_hooks(part) else None)

    def __call__(self, part: Any, closure: Callable[[], Any] | None = None) -> Any:
        """See `torch.optim.Optimizer.step`."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        groups = [(group, _columns(part, group["params"])) for group in part.param_groups]
        if not all(_supported(group, columns) for group, columns in groups):
            self.reference(part)  # only known after the closure, which computes gradients
            return loss
        for group, columns in groups:
            lr, eps, decay, decoupled = (group[name] for name in RULE)
            rule = (ctypes.c_double * 6)(lr, *group["betas"], eps, decay, decoupled)
            call("seqtool_adam", len(columns[0]), _sizes(columns[0]), *map(pointers, columns), rule)
            increment_version(columns[0])
        return loss


class ClipKernel(_UpdateKernel):
    """`clip` of Adam and AdamW: the norm of all gradients in one call.

    Equation:
        g <- g min(1, limit / (|g| + 1e-6)), g: all gradients as one vector

    Source: Pascanu et al. 2013, arXiv 1211.5063, algorithm 1; as torch's `clip_grad_norm_`.

    When to use: chosen by `engine: auto`; see kernel/adam.
    """

    method = "clip"

    def verify(self, part: Any, limit: float) -> str | None:
        """See `Kernel.verify`."""
        reason = super().verify(part, limit)
        return reason or (
            None if _writable(_gradients(part)) else "a gradient is not a contiguous float32 tensor on the CPU"
        )

    def __call__(self, part: Any, limit: float) -> None:
        """See `Clipping.clip`."""
        gradients = _gradients(part)
        call("seqtool_clip", len(gradients), _sizes(gradients), pointers(gradients), ctypes.c_double(limit))
        increment_version(gradients)


class ZeroGradKernel(_UpdateKernel):
    """`zero_grad` of Adam and AdamW, without annotations for torch's profiler and compiler.

    Equation:
        g <- None

    Source: optimizer/adam and optimizer/adamw.

    When to use: chosen by `engine: auto`; see kernel/adam.
    """

    method = "zero_grad"

    def verify(self, part: Any, set_to_none: bool = True) -> str | None:
        """See `Kernel.verify`."""
        return super().verify(part) or (None if set_to_none else "set_to_none is False")

    def __call__(self, part: Any, set_to_none: bool = True) -> None:
        """See `torch.optim.Optimizer.zero_grad`."""
        for group in part.param_groups:
            for parameter in group["params"]:
                parameter.grad = None


def _gradients(optimizer: Any) -> list[Tensor]:
    return [of for group in optimizer.param_groups for _, of in _trained(group["params"])]


def _trained(parameters: Iterable[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """The parameters that have a gradient, with it."""
    return [(parameter, gradient) for parameter in parameters if (gradient := parameter.grad) is not None]


def _columns(optimizer: Any, parameters: Iterable[Tensor]) -> list[list[Any]]:
    """Parameters, their gradients, and each tensor of their state, None if missing."""
    trained = _trained(parameters)
    states = [optimizer.state.get(parameter, {}) for parameter, _ in trained]
    return [
        [parameter for parameter, _ in trained],
        [of for _, of in trained],
        *([state.get(name) for state in states] for name in STATE),
    ]


def _supported(group: dict[str, Any], columns: list[list[Any]]) -> bool:
    """Whether C supports a group's options, which a loaded state may change, and its state fits its parameters."""
    if not isinstance(group["lr"], float) or any(group[name] for name in UNSUPPORTED):
        return False
    if not all(map(_writable, columns)):
        return False
    parameters, _, *moments, steps = ([tensor.numel() for tensor in column] for column in columns)
    return all(sizes == parameters for sizes in moments) and all(size == 1 for size in steps)


def _writable(tensors: Iterable[Any]) -> bool:
    """Whether C can write to all of these tensors."""
    return not torch.compiler.is_compiling() and all(
        type(x) in (Tensor, nn.Parameter) and x.dtype == torch.float32 and x.is_cpu and x.is_contiguous()
        for x in tensors
    )


def _sizes(tensors: Sequence[Tensor]) -> Any:
    return (ctypes.c_int64 * len(tensors))(*(tensor.numel() for tensor in tensors))
