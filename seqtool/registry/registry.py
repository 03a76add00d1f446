"""The registry: finds parts by name, and names by part."""

import functools
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqtool.errors import PluginError, Problem, nearest_name
from seqtool.registry.discovery import find_plugins
from seqtool.registry.kinds import KINDS
from seqtool.registry.records import Plugin, Registered

PLUGINS_DIR_ORIGIN = "--plugins-dir "
"""The prefix of `Plugin.origin` of plugins that were found in a folder."""
CORE = {"seqtool.nn.attention:Attention": "attention", "seqtool.nn.model:Seq2Seq": "model"}
"""The canonical names of core modules that kernels may compute."""

_names_of_all_registries: dict[str, str] = {}


class UnknownPartError(PluginError):
    """A name of no part, or of several."""

    exit_code = 2

    def __init__(self, message: str, *, allowed: str = "", nearest: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.allowed = allowed
        self.nearest = nearest

    def __str__(self) -> str:
        return str(Problem(self.message, allowed=self.allowed, nearest=self.nearest))


class Registry:
    """The plugins that were found, and the parts of the working ones."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self.plugins = list(plugins)
        order = {kind: index for index, kind in enumerate(KINDS)}
        working = (plugin for plugin in self.plugins if plugin.status == "ok")
        self._parts = sorted(
            (part for plugin in working for part in plugin.components),
            key=lambda part: (order[part.kind], part.name, part.plugin.name),
        )
        self._uses = Counter((part.kind, part.name) for part in self._parts)
        self._canonical_names = CORE | {part.target: f"{part.kind}/{part.canonical}" for part in self._parts}
        _names_of_all_registries.update(self._canonical_names)
        _class_name.cache_clear()

    def parts(self, kind: str | None = None) -> list[Registered]:
        """All parts that recipes can name, or all parts of one kind, sorted by kind and name.

        Raises:
            UnknownPartError: there is no such kind.
        """
        if kind is None:
            return [part for part in self._parts if KINDS[part.kind].constructed]
        _check_kind(kind)
        return [part for part in self._parts if part.kind == kind]

    def label(self, part: Registered) -> str:
        """The short name of a part; its canonical name if several parts of the kind have the short name."""
        return part.name if self._uses[part.kind, part.name] == 1 else part.canonical

    def name_of(self, part: object) -> str:
        """The name of a part in recipes; the name of its class if it is not registered."""
        target = _target(type(part))
        found = next((one for one in self._parts if one.target == target), None)
        return self.label(found) if found else type(part).__name__

    def canonical_name(self, part: object) -> str:
        """`kind/plugin:name` of a part; empty if its class is not registered, as for a subclass of a part.

        The core's `Attention` and `Seq2Seq`, which kernels may also compute, are "attention" and "model".
        """
        return self._canonical_names.get(_target(type(part)), "")

    def find(self, kind: str, name: str) -> Registered:
        """The part of a kind with a short or canonical name.

        Raises:
            UnknownPartError: no part has the name, or several parts have it.
            PluginError: the part belongs to a plugin that is broken or disabled.
        """
        _check_kind(kind)
        if ":" in name:
            self._check_plugin(kind, name)
        found = [part for part in self.parts(kind) if name in (part.name, part.canonical)]
        if len(found) == 1:
            return found[0]
        if not found:
            raise self._unknown(kind, name)
        raise UnknownPartError(
            f"{kind} {name!r} is ambiguous: "
            + " and ".join(f"{part.canonical} ({part.plugin.source})" for part in found),
            allowed=", ".join(part.canonical for part in found),
        )

    def discovery(self) -> dict[str, list[str]]:
        """The arguments with which `discover` finds the same plugins in another process."""
        found: dict[str, list[str]] = {"modules": [], "plugins_dirs": [], "disabled": []}
        for plugin in self.plugins:
            if plugin.origin == "-p":
                found["modules"].append(plugin.module)
            elif plugin.origin.startswith(PLUGINS_DIR_ORIGIN):
                found["plugins_dirs"].append(plugin.origin.removeprefix(PLUGINS_DIR_ORIGIN))
            if plugin.disabled:
                found["disabled"].append(plugin.name)
        return {name: list(dict.fromkeys(values)) for name, values in found.items()}

    def broken(self) -> list[Plugin]:
        """The broken plugins."""
        return [plugin for plugin in self.plugins if plugin.status == "broken"]

    def _check_plugin(self, kind: str, name: str) -> None:
        """Refuse a canonical name whose plugin is missing, broken or disabled."""
        plugin_name = name.partition(":")[0]
        found = [plugin for plugin in self.plugins if plugin.name == plugin_name]
        if not found:
            known = sorted({plugin.name for plugin in self.plugins})
            raise UnknownPartError(
                f"{kind} {name!r} needs plugin {plugin_name}, which is not installed",
                allowed=", ".join(self.label(part) for part in self.parts(kind)),
                nearest=nearest_name(name, (part.canonical for part in self.parts(kind)))
                or nearest_name(plugin_name, known),
            )
        if all(plugin.status != "ok" for plugin in found):
            plugin = next((plugin for plugin in found if plugin.error), found[0])
            why = plugin.error or "is disabled (by --no-plugin or SEQTOOL_NO_PLUGINS)"
            raise PluginError(f"{kind} {name!r} needs plugin {plugin}, which {why}")

    def _unknown(self, kind: str, name: str) -> UnknownPartError:
        parts = self.parts(kind)
        message = f"no {kind} is named {name!r}"
        others = sorted({part.kind for part in self.parts() if name in (part.name, part.canonical)})
        if others:
            message += f" (there is {_join(others)} of this name)"
        message += "".join(f"; not searched: plugin {plugin}, which {plugin.error}" for plugin in self.broken())
        disabled = [plugin.name for plugin in self.plugins if plugin.disabled]
        if disabled:
            message += f"; disabled, so not searched: {', '.join(disabled)}"
        labels = [self.label(part) for part in parts]
        nearest = nearest_name(name, [*labels, *(part.canonical for part in parts)])
        cited = [self.label(part) for part in parts if _cites(part, name)]
        if cited:
            message += f" (the sources of {', '.join(cited)} cite {name.capitalize()})"
            nearest = cited[0] if len(cited) == 1 else nearest
        return UnknownPartError(
            message, allowed=", ".join(labels) or f"none: no working plugin has a {kind}", nearest=nearest
        )


def discover(
    *,
    modules: Sequence[str] = (),
    plugins_dirs: Sequence[str | Path] = (),
    disabled: Sequence[str] = (),
    strict: bool = False,
) -> Registry:
    """Find and load plugins: `modules` first, then entry points, then the files of `plugins_dirs`.

    `disabled` lists names of plugins or distributions that are not loaded. The environment variable
    `SEQTOOL_NO_PLUGINS=1` disables all installed plugins, but not `modules` and `plugins_dirs`.

    Raises:
        MisuseError: a folder does not exist, a module is a file name, or a disabled plugin does not exist.
        PluginError: with `strict`, a plugin is broken.
    """
    registry = Registry(find_plugins(modules, plugins_dirs, disabled))
    broken = registry.broken()
    if strict and broken:
        raise PluginError("\n".join(f"plugin {plugin} {plugin.error}" for plugin in broken))
    return registry


def part_name(part: Any) -> str:
    """The canonical name of a part in any registry of this process; see `Registry.canonical_name`.

    Kernels use it to recognize parts of other plugins. If registries disagree, the installed plugins decide.
    """
    return _class_name(part.__class__)


@functools.cache
def _class_name(cls: type) -> str:
    target = _target(cls)
    return installed_registry()._canonical_names.get(target) or _names_of_all_registries.get(target, "")


def _target(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


@functools.cache
def installed_registry() -> Registry:
    """The registry of installed plugins, built once per process. Warnings of plugins are not issued."""
    return discover()


@functools.cache
def default_registry() -> Registry:
    """The registry of installed plugins, built once per process. The first call issues the warnings of plugins."""
    registry = installed_registry()
    for plugin in registry.plugins:
        for warning in plugin.warnings:
            warnings.warn(f"plugin {plugin} {warning}", stacklevel=2)
    return registry


def _cites(part: Registered, author: str) -> bool:
    """Whether the source in the docstring of a part names an author."""
    if not re.fullmatch("[a-z]{3,}", author, re.IGNORECASE):
        return False
    try:
        source = (part.load().__doc__ or "").partition("Source:")[2].partition("\n\n")[0]
    except PluginError:
        return False
    return re.search(rf"\b{author.capitalize()}\b", source) is not None


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise UnknownPartError(
            f"no kind of part is named {kind!r}", allowed=", ".join(KINDS), nearest=nearest_name(kind, KINDS)
        )


def _join(kinds: list[str]) -> str:
    return " and ".join(f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}" for kind in kinds)
