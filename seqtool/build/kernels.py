"""Which form of each part computes: its own code, the reference, or a kernel."""

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType, MethodType
from typing import Any

import torch
from torch import Tensor, nn

from seqtool.errors import PluginError, SeqtoolError
from seqtool.nn.attention import Attention
from seqtool.parts.decoder import Decoder
from seqtool.parts.kernel import Kernel, class_name
from seqtool.parts.tree import Tree
from seqtool.recipe.train_options import Engine
from seqtool.registry import Registry

COMPILED = "torch.compile"


@dataclass(frozen=True)
class Choice:
    """Who computes a part's method.

    Attributes:
        part: the part's path in the model, `encoder.cells.0`, or its name beside it, `optimizer`.
        method: which of its methods.
        kernel: the canonical name of the kernel that took it over, or `COMPILED`; empty where it is the reference.
        reasons: why a kernel did not, by its canonical name.
    """

    part: str
    method: str
    kernel: str
    reasons: dict[str, str]


def install(
    model: nn.Module,
    engine: Engine,
    registry: Registry,
    device: torch.device,
    dtype: torch.dtype | None,
    beside: Mapping[str, Any] = MappingProxyType({}),
) -> list[Choice]:
    """Have kernels take over what they can of a model, and tell what was chosen for every part that a kernel knows.

    A kernel becomes an attribute of the one part; parameters, buffers and `state_dict` stay as they are.

    Args:
        engine: "reference" takes no kernel; "auto" and "graphed" all that serve; "fused" wants at least one in it;
            "compiled" has torch.compile take the decoder's loop, and is "auto" for the rest.
        device: where the model will compute.
        dtype: in what; None for mixed precision.
        beside: what else may have kernels, by name: the model's optimizer, of which no schedule is made yet.

    Raises:
        SeqtoolError: `engine` is "fused" and no kernel serves, or "compiled" and torch cannot; it says why.
    """
    if engine == "reference":
        return []
    kernels = dict(available_kernels(registry))
    refused = {name: refusal(kernel, device, dtype) for name, kernel in kernels.items()}
    choices = list(_choices(model.named_modules(), kernels, refused))
    if engine == "fused" and not any(choice.kernel for choice in choices):
        raise SeqtoolError(f"engine 'fused': no part of this model has a kernel that serves{_why(choices, kernels)}")
    choices += _choices(beside.items(), kernels, refused)
    if engine == "compiled":
        compiled = _compile_decoders(model, device)
        taken = {(choice.part, choice.method) for choice in compiled}
        choices = compiled + [choice for choice in choices if (choice.part, choice.method) not in taken]
    return choices


@contextlib.contextmanager
def by_reference(model: nn.Module) -> Iterator[None]:
    """While open, no kernel computes in the model: for who looks into parts that a kernel of more than them skips."""
    taken = [
        (module, name, value)
        for module in model.modules()
        for name, value in vars(module).items()
        if isinstance(value, functools.partial) and value.func is _computed
    ]
    for module, name, _ in taken:
        delattr(module, name)
    try:
        yield
    finally:
        for module, name, value in taken:
            setattr(module, name, value)


def available_kernels(registry: Registry) -> Iterator[tuple[str, Kernel]]:
    """The kernels of all working plugins, by canonical name; one that fails to import is left to `seqtool doctor`."""
    for part in registry.parts("kernel"):
        try:
            cls: Any = part.load()
        except PluginError:
            continue
        yield part.canonical, cls()


def refusal(kernel: Kernel, device: torch.device, dtype: torch.dtype | None) -> str | None:
    """Why a kernel can serve no part at all there; None where it may."""
    if device.type not in kernel.devices:
        return f"it works on {', '.join(kernel.devices)}, and this is {device.type}"
    if dtype is None:
        return "it does not work in mixed precision"
    if dtype not in kernel.dtypes:
        return f"it works in {', '.join(map(_plain, kernel.dtypes))}, and this is {_plain(dtype)}"
    return kernel.unavailable()


def record(engine: Engine, choices: Iterable[Choice]) -> dict[str, Any]:
    """What environment.json says of the choice."""
    return {
        "engine": engine,
        "kernels": {
            f"{choice.part}.{choice.method}": choice.kernel or {"reference": choice.reasons} for choice in choices
        },
    }


def _choices(
    parts: Iterable[tuple[str, Any]], kernels: dict[str, Kernel], refused: dict[str, str | None]
) -> Iterator[Choice]:
    for path, part in parts:
        for method in sorted({kernel.method for kernel in kernels.values() if class_name(part) in kernel.of}):
            yield _choose(path, part, method, kernels, refused)


def _choose(path: str, part: Any, method: str, kernels: dict[str, Kernel], refused: dict[str, str | None]) -> Choice:
    reasons: dict[str, str] = {}
    for name, kernel in kernels.items():
        if kernel.method == method and class_name(part) in kernel.of:
            reason = refused[name] or kernel.serves(part)
            if reason is None:
                setattr(part, method, _taken_over(kernel, part))
                return Choice(path, method, name, reasons)
            reasons[name] = reason
    return Choice(path, method, "", reasons)


def _taken_over(kernel: Kernel, part: Any) -> Callable[..., Any]:
    """What stands in for the part's method."""
    if isinstance(part, nn.Module):
        attentions = [inner for inner in part.modules() if isinstance(inner, Attention)]
        return functools.partial(_computed, kernel, attentions, part)

    def moved(self: Any, *arguments: Any, **named: Any) -> Any:
        return kernel(self, *arguments, **named)

    return MethodType(moved, part)  # torch's schedules look for the function within an optimizer's `step`


def _computed(kernel: Kernel, attentions: list[Attention], module: nn.Module, *arguments: Any) -> Any:
    """What the kernel gives; the reference while weights within the part are replaced, of which no kernel knows."""
    intervened = any(attention.intervention is not None for attention in attentions)
    return (kernel.reference if intervened else kernel)(module, *arguments)


def _compile_decoders(model: nn.Module, device: torch.device) -> list[Choice]:
    try:
        torch.compile(torch.neg, dynamic=False)(torch.zeros(1, device=device))
    except (RuntimeError, OSError, ImportError) as error:
        first = str(error).strip().partition("\n")[0]
        raise SeqtoolError(
            f"engine 'compiled': torch.compile does not work on this machine: {first}\n    allowed: train.engine: auto"
        ) from error
    choices = []
    for part, module in model.named_modules():
        if isinstance(module, Decoder):
            compiled = torch.compile(type(module).unroll, dynamic=False)
            module.unroll = functools.partial(_in_training, compiled, module)  # type: ignore[method-assign]
            choices.append(Choice(part, "unroll", COMPILED, {}))
    return choices


def _in_training(
    compiled: Callable[..., Any], decoder: Decoder, inputs: Tensor, fixed: Tree, state: Tree
) -> tuple[Tensor, Tensor | None, Tree]:
    """The compiled loop where gradients are made; elsewhere the reference, which is not worth another compilation."""
    unroll = compiled if torch.is_grad_enabled() else type(decoder).unroll
    result: tuple[Tensor, Tensor | None, Tree] = unroll(decoder, inputs, fixed, state)
    return result


def _why(choices: list[Choice], kernels: dict[str, Kernel]) -> str:
    reasons = {f"{choice.part}: {name}: {why}" for choice in choices for name, why in choice.reasons.items()}
    lines = sorted(reasons) or [f"kernels there are: {', '.join(kernels) or 'none'}"]
    return "".join(f"\n    {line}" for line in lines) + "\n    allowed: train.engine: auto"


def _plain(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
