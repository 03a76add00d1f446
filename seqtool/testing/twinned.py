"""Parts with a twin in the place of one of their methods, by hand: without an engine that chooses."""

import copy
import functools
from types import MethodType
from typing import Any

from torch import nn

from seqtool.parts.twin import Twin


def bound(twin: Twin, part: Any) -> Any:
    """The part, whose method is the twin's from now on, in the form that an engine gives it."""
    if isinstance(part, nn.Module):
        setattr(part, twin.method, functools.partial(twin, part))
        return part

    def moved(self: Any, *arguments: Any, **named: Any) -> Any:
        return twin(self, *arguments, **named)

    setattr(part, twin.method, MethodType(moved, part))
    return part


def watched(twin: Twin, left: list[Any]) -> Twin:
    """A copy of the twin that notes the part when it leaves a call to the reference."""
    noting, own = copy.copy(twin), twin.reference

    def reference(part: Any, *arguments: Any) -> Any:
        left.append(part)
        return own(part, *arguments)

    vars(noting)["reference"] = reference
    return noting
