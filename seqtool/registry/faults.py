"""Exceptions raised by the code of a plugin: which part, which plugin, and which line of its code."""

import linecache
import traceback
from types import FrameType

from seqtool.errors import PluginError
from seqtool.registry.kinds import KINDS
from seqtool.registry.records import Plugin, Registered, one_line, resolve
from seqtool.registry.registry import Registry


def plugin_fault(error: BaseException, registry: Registry) -> PluginError | None:
    """The error to report if code of a plugin raised `error`; None otherwise, and for seqtool's own plugins."""
    found = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__) if plugin_of(frame, registry)]
    if not found:
        return None
    frame, line = found[-1]
    place = f"{frame.f_code.co_filename}:{line}, in {frame.f_code.co_name}"
    text = linecache.getline(frame.f_code.co_filename, line).strip()
    owners = [part for frame, _ in reversed(found) if (part := part_of(frame, registry))]
    part = owners[0] if owners else None
    who = part or f"plugin {plugin_of(frame, registry)}"
    return PluginError(f"{who} raised {one_line(error)}\n    {place}: {text}{advice(part, frame.f_code.co_name)}")


def plugin_of(frame: FrameType, registry: Registry) -> Plugin | None:
    """The plugin whose code a frame runs; None for other code and for seqtool's own plugins."""
    package = _package(str(frame.f_globals.get("__name__")))
    others = (plugin for plugin in registry.plugins if plugin.status == "ok" and plugin.distribution != "seqtool")
    return next((plugin for plugin in others if _package(plugin.module) == package), None)


def part_of(frame: FrameType, registry: Registry) -> Registered | None:
    """The part whose method a frame runs."""
    target = type(frame.f_locals.get("self"))
    return next(
        (part for part in registry.parts() if part.target == f"{target.__module__}:{target.__qualname__}"), None
    )


def _contract(part: Registered, method: str) -> str:
    """The first paragraph of the contract of a method; empty if the method belongs to no contract."""
    documentation = getattr(getattr(resolve(KINDS[part.kind].contract), method, None), "__doc__", None) or ""
    return " ".join(documentation.partition("\n\n")[0].split())


def advice(part: Registered | None, method: str) -> str:
    """Further lines of a message: the contract of a method of the part, and how to test the part."""
    if part is None:
        return ""
    contract = _contract(part, method)
    rule = f"\n    the contract of {method}: {contract}" if contract else ""
    return f"{rule}\n    test the part with seqtool.testing.check_{part.kind}"


def _package(module: str) -> str:
    return module.partition(":")[0].partition(".")[0]
