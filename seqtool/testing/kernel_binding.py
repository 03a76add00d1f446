"""Parts with a kernel in the place of one of their methods, by hand: without an engine that chooses."""

import copy
import functools
from types import MethodType
from typing import Any

from torch import nn

from seqtool.parts.kernel import Kernel


def bound(kernel: Kernel, part: Any) -> Any:
    """The part, whose method is the kernel's from now on, in the form that an engine gives it."""
    if isinstance(part, nn.Module):
        setattr(part, kernel.method, functools.partial(kernel, part))
        return part

    def moved(self: Any, *arguments: Any, **named: Any) -> Any:
        return kernel(self, *arguments, **named)

    setattr(part, kernel.method, MethodType(moved, part))
    return part


def watched(kernel: Kernel, left: list[Any]) -> Kernel:
    """A copy of the kernel that notes the part when it leaves a call to the reference."""
    noting, own = copy.copy(kernel), kernel.reference

    def reference(part: Any, *arguments: Any) -> Any:
        left.append(part)
        return own(part, *arguments)

    vars(noting)["reference"] = reference
    return noting
