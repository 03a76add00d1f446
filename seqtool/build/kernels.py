"""Chooses the implementation of each part: the reference, which is the part's own code, or a kernel."""

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from seqtool.errors import MisuseError, PluginError, SeqtoolError, nearest_name
from seqtool.nn.model import Seq2Seq
from seqtool.parts.decoder import Decoder
from seqtool.parts.kernel import Kernel, dtype_name, is_accelerated
from seqtool.parts.tree import Tree
from seqtool.recipe.train_options import Engine
from seqtool.registry import Registry

COMPILED = "torch.compile"
NO_KERNELS_VARIABLE = "SEQTOOL_NO_KERNELS"
WHOLE_MODEL = "model"
"""The name of the whole model in records."""


@dataclass(frozen=True)
class Choice:
    """The chosen implementation of a part's method.

    Attributes:
        part: the path of the part in the model, such as `encoder.cells.0`; `model` for the model itself, `optimizer`
            for the optimizer.
        method: the name of the method.
        kernel: the canonical name of the first kernel that supports the part, or `COMPILED`; empty for the reference.
        reasons: for each kernel that does not support the part, by canonical name, why.
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
    others: Mapping[str, Any] = MappingProxyType({}),
) -> list[Choice]:
    """Set `part.kernels` of every part of a model, and return the choice for each method.

    Parameters, buffers and `state_dict` do not change.

    Args:
        engine: "reference" uses no kernels; "auto" and "graphed" use all that support their part; "fused" requires at
            least one in the model; "compiled" compiles the decoder's loop with torch.compile, otherwise like "auto".
        device: the device of the model.
        dtype: the dtype of the model; None for mixed precision.
        others: other objects that may have kernels, by name: the optimizer.

    Raises:
        SeqtoolError: `engine` is "fused" and no kernel supports a part, or "compiled" and torch.compile does not work.
        MisuseError: `SEQTOOL_NO_KERNELS` names a plugin that has no kernels.
    """
    if engine == "reference":
        return []
    kernels = dict(sorted(available_kernels(registry), key=lambda named: -named[1].priority))
    disabled = _disabled(kernels)
    refused = {name: disabled.get(name) or refusal(kernel, device, dtype) for name, kernel in kernels.items()}
    choices = list(_choices(model.named_modules(), kernels, refused, registry))
    if engine == "fused" and not any(choice.kernel for choice in choices):
        raise SeqtoolError(f"engine 'fused': no kernel supports a part of this model{_why(choices, kernels)}")
    choices += _choices(others.items(), kernels, refused, registry)
    return _compiled_decoders(model, device, choices) if engine == "compiled" else choices


def available_kernels(registry: Registry) -> Iterator[tuple[str, Kernel]]:
    """The kernels of all working plugins with their canonical names, sorted by name, except those that fail to import.

    `seqtool doctor` reports import errors.
    """
    for part in registry.parts("kernel"):
        try:
            cls: Any = part.load()
        except PluginError:
            continue
        yield part.canonical, cls()


def refusal(kernel: Kernel, device: torch.device, dtype: torch.dtype | None) -> str | None:
    """Why a kernel cannot be used on this device in this dtype; None if it can."""
    if device.type not in kernel.devices:
        return f"it supports {', '.join(kernel.devices)}, and this is {device.type}"
    if dtype is None:
        return "it does not support mixed precision"
    if dtype not in kernel.dtypes:
        return f"it supports {', '.join(map(dtype_name, kernel.dtypes))}, and this is {dtype_name(dtype)}"
    return kernel.unavailable()


def record(engine: Engine, choices: Iterable[Choice]) -> dict[str, Any]:
    """The entries of environment.json about kernels."""
    return {
        "engine": engine,
        "kernels": {
            f"{choice.part}.{choice.method}": choice.kernel or {"reference": choice.reasons} for choice in choices
        },
    }


def _disabled(kernels: Iterable[str]) -> dict[str, str]:
    """The kernels that `SEQTOOL_NO_KERNELS` disables, by canonical name, each with the reason."""
    plugins = {name.partition(":")[0] for name in kernels}
    named = {name.strip() for name in os.environ.get(NO_KERNELS_VARIABLE, "").split(",")} - {""}
    for name in sorted(named - plugins if plugins else ()):
        raise MisuseError(
            f"{NO_KERNELS_VARIABLE} names {name!r}, which is not a plugin with kernels",
            allowed=sorted(plugins),
            nearest=nearest_name(name, plugins),
        )
    return {name: f"{NO_KERNELS_VARIABLE} disables it" for name in kernels if name.partition(":")[0] in named}


def _choices(
    parts: Iterable[tuple[str, Any]], kernels: dict[str, Kernel], refused: dict[str, str | None], registry: Registry
) -> Iterator[Choice]:
    for path, part in parts:
        known = {name: kernel for name, kernel in kernels.items() if registry.canonical_name(part) in kernel.parts}
        serving: dict[str, tuple[Kernel, ...]] = {}
        for method in sorted({kernel.method for kernel in known.values()}):
            names, reasons = _serving(part, method, known, refused)
            serving[method] = tuple(known[name] for name in names)
            yield Choice(path or WHOLE_MODEL, method, names[0] if names else "", reasons)
        if any(serving.values()):
            part.kernels = {method: chosen for method, chosen in serving.items() if chosen}


def _serving(
    part: Any, method: str, kernels: dict[str, Kernel], refused: dict[str, str | None]
) -> tuple[list[str], dict[str, str]]:
    """The names of the kernels that support a method of a part, and for each of the others why it does not."""
    reasons = {
        name: refused[name] or kernel.unsupported(part)
        if is_accelerated(part, method)
        else f"{method} is not @accelerated"
        for name, kernel in kernels.items()
        if kernel.method == method
    }
    return [name for name, why in reasons.items() if not why], {name: why for name, why in reasons.items() if why}


class CompiledUnroll(Kernel):
    """`Decoder.unroll` compiled by torch.compile, for training; without gradients, compilation does not pay off."""

    def verify(self, part: Any, *arguments: Any, **named: Any) -> str | None:
        """See `Kernel.verify`."""
        return None if torch.is_grad_enabled() else "no gradients are computed"

    def __call__(self, part: Any, inputs: Tensor, fixed: Tree, state: Tree) -> Any:
        """See `Decoder.unroll`."""
        return _compiled(type(part).unroll.reference)(part, inputs, fixed, state)


@functools.cache
def _compiled(unroll: Callable[..., Any]) -> Callable[..., Any]:
    return torch.compile(unroll, dynamic=False)


def _compiled_decoders(model: nn.Module, device: torch.device, choices: list[Choice]) -> list[Choice]:
    try:
        torch.compile(torch.neg, dynamic=False)(torch.zeros(1, device=device))
    except (RuntimeError, OSError, ImportError) as error:
        first = str(error).strip().partition("\n")[0]
        raise SeqtoolError(
            f"engine 'compiled': torch.compile does not work on this machine: {first}\n    allowed: train.engine: auto"
        ) from error
    compiled = []
    for part, module in model.named_modules():
        if isinstance(module, Decoder) and is_accelerated(module, "unroll"):
            module.kernels = {**module.kernels, "unroll": (CompiledUnroll(),)}
            compiled.append(Choice(part, "unroll", COMPILED, {}))
        if isinstance(module, Seq2Seq):  # a kernel of `decode` would replace the compiled loop
            module.kernels = {method: kernels for method, kernels in module.kernels.items() if method != "decode"}
    taken = {(WHOLE_MODEL, "decode"), *((choice.part, choice.method) for choice in compiled)}
    return compiled + [choice for choice in choices if (choice.part, choice.method) not in taken]


def _why(choices: list[Choice], kernels: dict[str, Kernel]) -> str:
    reasons = {f"{choice.part}: {name}: {why}" for choice in choices for name, why in choice.reasons.items()}
    lines = sorted(reasons) or [f"available kernels: {', '.join(kernels) or 'none'}"]
    return "".join(f"\n    {line}" for line in lines) + "\n    allowed: train.engine: auto"
