"""Exceptions raised while a model runs: attributed to the part of a plugin whose code, or whose results, caused it."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from torch import Tensor

from seqtool.build.requirements import slot_parts
from seqtool.errors import PluginError, SeqtoolError
from seqtool.recipe import Variant
from seqtool.registry.faults import advice, part_of, plugin_fault, plugin_of
from seqtool.registry.records import Registered, one_line


@contextlib.contextmanager
def attributed(variant: Variant, again: Callable[[], object] | None = None) -> Iterator[None]:
    """Turn an exception into an error that names the part at fault, if the variant has parts of other plugins.

    Args:
        again: repeats what raised the exception. If it was raised outside of the plugins, the last value that a
            plugin returned is found with it.

    Raises:
        PluginError: code of a plugin raised the exception, or returned the value that led to it.
    """
    try:
        yield
    except (SeqtoolError, OSError):
        raise
    except Exception as error:  # the plugin's code may raise anything
        fault = (
            plugin_fault(error, variant.registry) or _returned_value(error, variant, again) or _listed(error, variant)
        )
        if fault is None:
            raise
        raise fault from error


def _returned_value(error: Exception, variant: Variant, again: Callable[[], object] | None) -> PluginError | None:
    """The error for an exception in seqtool's code that follows the return of a value by a part of a plugin."""
    if again is None or not _others(variant):
        return None
    last: list[tuple[Registered, str, int, str]] = []

    def record(frame: FrameType, event: str, value: Any) -> None:
        if event == "return" and plugin_of(frame, variant.registry) and (part := part_of(frame, variant.registry)):
            code = frame.f_code
            last[:] = [(part, code.co_filename, frame.f_lineno, f"{code.co_name} returned {_described(value)}")]

    before = sys.getprofile()
    sys.setprofile(record)
    try:
        again()
    except type(error):
        pass
    else:
        return None
    finally:
        sys.setprofile(before)
    if not last:
        return None
    part, file, line, what = last[0]
    method = what.partition(" ")[0]
    return PluginError(f"{part}: {what}, which led to {one_line(error)}\n    {file}:{line}{advice(part, method)}")


def _listed(error: Exception, variant: Variant) -> PluginError | None:
    """The error for an exception in seqtool's code that names the parts of plugins in the model."""
    others = _others(variant)
    if not others:
        return None
    tests = ", ".join(f"seqtool.testing.check_{kind}" for kind in dict.fromkeys(kind for kind, _ in others))
    parts = ", ".join(f"{kind} {name}" for kind, name in others)
    return PluginError(
        f"a model with parts of plugins ({parts}) raised {one_line(error)}\n"
        f"    it was raised outside of the plugins, possibly because of a value that a part returned\n"
        f"    test the parts with {tests}; --debug shows the traceback"
    )


def _others(variant: Variant) -> list[tuple[str, str]]:
    """Kind and name of the parts of a variant that do not belong to seqtool."""
    own = {plugin.name for plugin in variant.registry.plugins if plugin.distribution == "seqtool"}
    found = [(placed.kind, placed.name) for placed in slot_parts(variant) if placed.kind]
    return [(kind, name) for kind, name in dict.fromkeys(found) if name.partition(":")[0] not in own]


def _described(value: Any) -> str:
    """A value with the shapes of its tensors: `([2, 1, 5], ())`."""
    if isinstance(value, Tensor):
        return str(list(value.shape))
    if isinstance(value, tuple):
        return f"({', '.join(map(_described, value))})"
    return "None" if value is None else type(value).__name__
