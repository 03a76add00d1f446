"""Which form of each part computes: its own code, the reference, or a twin."""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from seqtool.errors import PluginError, SeqtoolError
from seqtool.parts.twin import Twin, class_name
from seqtool.recipe.train_options import Engine
from seqtool.registry import Registry


@dataclass(frozen=True)
class Choice:
    """Who computes a part's method.

    Attributes:
        part: the part's path in the model, `encoder.cells.0`.
        method: which of its methods.
        twin: the canonical name of the twin that took it over; empty where it is the reference.
        reasons: why a twin did not, by its canonical name.
    """

    part: str
    method: str
    twin: str
    reasons: dict[str, str]


def install(
    model: nn.Module, engine: Engine, registry: Registry, device: torch.device, dtype: torch.dtype | None
) -> list[Choice]:
    """Have twins take over what they can of a model, and tell what was chosen for every part that a twin knows.

    A twin becomes an attribute of the one part; parameters, buffers and `state_dict` stay as they are.

    Args:
        engine: "reference" takes no twin; "auto" every fused one that serves; "fused" and "compiled" want at least
            one of their sort.
        device: where the model will compute.
        dtype: in what; None for mixed precision.

    Raises:
        SeqtoolError: `engine` is "fused" or "compiled", and no twin serves; it says why.
    """
    if engine == "reference":
        return []
    wanted = "fused" if engine == "auto" else engine
    twins = {name: twin for name, twin in available_twins(registry) if twin.engine == wanted}
    refused = {name: refusal(twin, device, dtype) for name, twin in twins.items()}
    choices = [
        _choose(part, module, method, twins, refused)
        for part, module in model.named_modules()
        for method in sorted({twin.method for twin in twins.values() if class_name(module) in twin.of})
    ]
    if engine != "auto" and not any(choice.twin for choice in choices):
        raise SeqtoolError(f"engine {engine!r}: no part of this model has a twin that serves{_why(choices, twins)}")
    return choices


def available_twins(registry: Registry) -> Iterator[tuple[str, Twin]]:
    """The twins of all working plugins, by canonical name; one that fails to import is left to `seqtool doctor`."""
    for part in registry.parts("twin"):
        try:
            cls: Any = part.load()
        except PluginError:
            continue
        yield part.canonical, cls()


def refusal(twin: Twin, device: torch.device, dtype: torch.dtype | None) -> str | None:
    """Why a twin can serve no part at all there; None where it may."""
    if device.type not in twin.devices:
        return f"it works on {', '.join(twin.devices)}, and this is {device.type}"
    if dtype is None:
        return "it does not work in mixed precision"
    if dtype not in twin.dtypes:
        return f"it works in {', '.join(map(_plain, twin.dtypes))}, and this is {_plain(dtype)}"
    return twin.unavailable()


def _choose(
    part: str, module: nn.Module, method: str, twins: dict[str, Twin], refused: dict[str, str | None]
) -> Choice:
    reasons: dict[str, str] = {}
    for name, twin in twins.items():
        if twin.method == method and class_name(module) in twin.of:
            reason = refused[name] or twin.serves(module)
            if reason is None:
                setattr(module, method, functools.partial(twin, module))
                return Choice(part, method, name, reasons)
            reasons[name] = reason
    return Choice(part, method, "", reasons)


def record(engine: Engine, choices: Iterable[Choice]) -> dict[str, Any]:
    """What environment.json says of the choice."""
    return {
        "engine": engine,
        "twins": {f"{choice.part}.{choice.method}": choice.twin or {"reference": choice.reasons} for choice in choices},
    }


def _why(choices: list[Choice], twins: dict[str, Twin]) -> str:
    reasons = {f"{choice.part}: {name}: {why}" for choice in choices for name, why in choice.reasons.items()}
    lines = sorted(reasons) or [f"twins there are: {', '.join(twins) or 'none'}"]
    return "".join(f"\n    {line}" for line in lines) + "\n    allowed: train.engine: auto"


def _plain(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
