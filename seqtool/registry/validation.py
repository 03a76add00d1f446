"""Validates a plugin before its parts are registered: API version, hooks and components."""

import inspect
import re
from collections import Counter
from collections.abc import Iterator

import pluggy

from seqtool.errors import nearest_name
from seqtool.registry import hookspecs
from seqtool.registry.component import Component
from seqtool.registry.hookspecs import API_VERSION, PROJECT
from seqtool.registry.kinds import KINDS
from seqtool.registry.records import Plugin, Registered, one_line

_PART_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PLUGIN_NAME = re.compile(r"\w[\w.-]*")
_TARGET = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


class InvalidPluginError(Exception):
    """Why a plugin is refused, as a predicate of which the plugin is the subject."""


def register(manager: pluggy.PluginManager, plugin: Plugin, module: object) -> None:
    """Check an imported plugin, and set its components.

    Raises:
        InvalidPluginError: all problems.
    """
    if not _PLUGIN_NAME.fullmatch(plugin.name):
        raise InvalidPluginError(f"has an invalid name: {plugin.name!r}")
    newer = _check_api(plugin, module)
    problems = list(_wrong_hooks(manager, plugin, module))
    if newer:
        plugin.warnings += problems
    elif problems:
        raise InvalidPluginError("; ".join(problems))
    if known := manager.get_name(module):
        raise InvalidPluginError(f"is the same module as plugin {known}")
    try:
        manager.register(module, plugin.name)
    except pluggy.PluginValidationError as error:
        raise InvalidPluginError(f"has an invalid hook: {' '.join(str(error).split())}") from error
    if not manager.get_hookcallers(module):
        plugin.warnings.append("implements no hook, so it has no parts")
    plugin.components = _read_parts(manager, plugin, module)


def _check_api(plugin: Plugin, module: object) -> bool:
    """Whether the plugin was made for a newer minor version of the API."""
    declared = getattr(module, "SEQTOOL_API", API_VERSION)
    if not (isinstance(declared, tuple) and [type(number) for number in declared] == [int, int]):
        raise InvalidPluginError(f"declares SEQTOOL_API = {declared!r}, which is not two numbers such as {API_VERSION}")
    theirs, ours = (".".join(map(str, version)) for version in (declared, API_VERSION))
    if declared[0] != API_VERSION[0]:
        raise InvalidPluginError(f"was made for API {theirs} of seqtool, and this is API {ours}")
    newer: bool = declared > API_VERSION
    if newer:
        plugin.warnings.append(f"was made for API {theirs} of seqtool, newer than this one, {ours}")
    return newer


def _wrong_hooks(manager: pluggy.PluginManager, plugin: Plugin, module: object) -> Iterator[str]:
    """Problems with hooks. pluggy does not report a misspelt hook."""
    hooks = [name for name in dir(hookspecs) if manager.parse_hookspec_opts(hookspecs, name) is not None]
    for name in dir(module):
        options = manager.parse_hookimpl_opts(module, name)
        if options is not None:
            hook = options.get("specname") or name
            if hook not in hooks and not options.get("optionalhook"):
                yield f"implements the unknown hook {hook!r}{_hint(hook, hooks)}"
        elif name.startswith(f"{PROJECT}_") and inspect.isfunction(inspect.getattr_static(module, name, None)):
            if name in hooks:
                yield f"defines {name!r} without @hookimpl"
            elif nearest_name(name, hooks):
                plugin.warnings.append(f"defines {name!r}, which is no hook{_hint(name, hooks)}")


def _hint(name: str, hooks: list[str]) -> str:
    nearest = nearest_name(name, hooks)
    return f" (did you mean {nearest!r}?)" if nearest else f" (the hooks are {', '.join(hooks)})"


def _read_parts(manager: pluggy.PluginManager, plugin: Plugin, module: object) -> tuple[Registered, ...]:
    others = manager.get_plugins() - {module}
    caller = manager.subset_hook_caller("seqtool_components", others)
    try:
        yielded = [component for components in caller() for component in components]
    except (Exception, SystemExit) as error:  # the plugin's code may raise anything
        manager.unregister(module)
        raise InvalidPluginError(f"failed in seqtool_components: {one_line(error)}") from error
    problems = [problem for component in yielded for problem in _wrong_component(component)]
    if not problems:
        uses = Counter((component.kind, component.name) for component in yielded)
        problems = [f"yields {kind} {name!r} twice" for (kind, name), count in uses.items() if count > 1]
    if problems:
        manager.unregister(module)
        raise InvalidPluginError("; ".join(problems))
    return tuple(Registered(component.kind, component.name, plugin, component) for component in yielded)


def _wrong_component(component: object) -> Iterator[str]:
    if not isinstance(component, Component):
        yield f"yields {component!r:.80}, which is not a Component"
        return
    label = f"{component.kind} {component.name!r}"
    if not isinstance(component.kind, str) or component.kind not in KINDS:
        nearest = nearest_name(component.kind, KINDS)
        hint = f"did you mean {nearest!r}?" if nearest else f"the kinds are {', '.join(KINDS)}"
        yield f"yields {component.name!r} of the unknown kind {component.kind!r} ({hint})"
    if not (isinstance(component.name, str) and _PART_NAME.fullmatch(component.name)):
        yield f"yields {label}, and a name must be lower-case letters, digits and _, starting with a letter"
    target = component.target
    if not isinstance(target, type | str) or (isinstance(target, str) and not _TARGET.fullmatch(target)):
        yield f"yields {label} with the target {target!r:.80}, not a class or 'package.module:Class'"
    if not isinstance(component.summary, str) or "\n" in component.summary:
        yield f"yields {label} with a summary that is not one line"
