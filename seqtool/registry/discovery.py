"""Finds and loads plugins. Each plugin has a record, even if it is broken."""

import importlib
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pluggy

from seqtool.errors import MisuseError, nearest_name
from seqtool.registry import hookspecs
from seqtool.registry.records import Plugin, one_line
from seqtool.registry.validation import InvalidPluginError, register

GROUP = "seqtool.plugins"


@dataclass(frozen=True)
class Candidate:
    """A plugin that was found, and the function that imports it."""

    plugin: Plugin
    load: Callable[[], object]


def find_plugins(modules: Sequence[str], plugins_dirs: Sequence[str | Path], disabled: Sequence[str]) -> list[Plugin]:
    """The records of all plugins, in the order of discovery; see `seqtool.registry.discover`."""
    installed = list(_installed())
    named = list(_named(modules))
    _disable(installed, [*named, *(local := list(_local(plugins_dirs)))], disabled)
    taken = {candidate.plugin.module for candidate in installed if not candidate.plugin.disabled}
    candidates = [c for c in named if c.plugin.module not in taken] + installed + local
    _refuse_equal_names([candidate.plugin for candidate in candidates])
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    for candidate in candidates:
        if candidate.plugin.status == "ok":
            _load(manager, candidate)
    return [candidate.plugin for candidate in candidates]


def _named(modules: Sequence[str]) -> Iterator[Candidate]:
    """The plugins given by `-p MODULE`."""
    for name in dict.fromkeys(modules):
        if name.endswith(".py") or "/" in name or os.sep in name:
            raise MisuseError(
                f"-p takes the name of a module, not a file: {name!r}\n"
                "    for a file, give its folder: --plugins-dir DIR"
            )
        yield Candidate(Plugin(name, name, "", "", "-p"), partial(importlib.import_module, name))


def _installed() -> Iterator[Candidate]:
    """The entry points, sorted by distribution and name, without duplicates on `sys.path`.

    Only distributions that mention the group are parsed, so broken metadata of other distributions does no harm.
    """
    found: dict[tuple[str, str, str], Candidate] = {}
    for first in metadata.distributions():
        if GROUP not in (first.read_text("entry_points.txt") or ""):
            continue
        name, version, distribution = _authoritative(first)
        try:
            points = distribution.entry_points.select(group=GROUP)
        except Exception as error:  # the file may contain anything
            plugin = Plugin(name, "", name, version, "entry point")
            plugin.error = f"has an entry_points.txt that cannot be read: {one_line(error)}"
            found[name, name, ""] = Candidate(plugin, object)
            continue
        for point in points:
            plugin = Plugin(point.name, point.value, name, version, "entry point")
            found[name, point.name, point.value] = Candidate(plugin, point.load)
    return iter(found[key] for key in sorted(found))


def _authoritative(found: metadata.Distribution) -> tuple[str, str, metadata.Distribution]:
    """Name, version and distribution of the first distribution of this name on `sys.path`, which is imported."""
    try:
        name = str(found.metadata["Name"])
        first = metadata.distribution(name)
        return name, str(first.metadata["Version"]), first
    except Exception:  # metadata without a readable METADATA file; its entry points still work
        return "unknown", "unknown", found


def _local(plugins_dirs: Sequence[str | Path]) -> Iterator[Candidate]:
    """The plugins in the folders given by `--plugins-dir`: each file `*.py` and each package, sorted by name."""
    for folder in dict.fromkeys(Path(folder).resolve() for folder in plugins_dirs):
        if not folder.is_dir():
            raise MisuseError(f"--plugins-dir {folder}: no such folder")
        for path in sorted(folder.iterdir()):
            source = path / "__init__.py" if path.is_dir() else path
            if path.name.startswith(("_", ".")) or source.suffix != ".py" or not source.is_file():
                continue
            plugin = Plugin(path.stem, path.stem, "", "", f"--plugins-dir {folder}")
            yield Candidate(plugin, partial(_import_file, path.stem, source))


def _import_file(name: str, source: Path) -> object:
    """Import `source` as the module `name`, so it can name its parts by string and import modules beside it.

    Its folder is appended to `sys.path`, so its files cannot hide other modules.
    """
    folder = source.parent.parent if source.name == "__init__.py" else source.parent
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    importlib.invalidate_caches()
    spec = find_spec(name)
    origin = spec.origin if spec else None
    if origin is None or not Path(origin).exists() or not source.samefile(origin):
        raise ImportError(f"there is another module named {name!r}: {origin or 'built in'}; rename the file")
    return importlib.import_module(name)


def _disable(installed: list[Candidate], others: list[Candidate], names: Sequence[str]) -> None:
    """Mark disabled plugins, before any plugin is loaded."""
    plugins = [candidate.plugin for candidate in [*installed, *others]]
    known = {name for plugin in plugins for name in (plugin.name, plugin.distribution) if name}
    for name in names:
        if name not in known:
            nearest = nearest_name(name, known)
            hint = f"\n    did you mean {nearest!r}?" if nearest else ""
            raise MisuseError(
                f"--no-plugin {name}: there is no such plugin{hint}\n"
                f"    allowed: {', '.join(sorted(known)) or 'none, no plugin was found'}"
            )
    for plugin in plugins:
        plugin.disabled = plugin.name in names or plugin.distribution in names
    if os.environ.get("SEQTOOL_NO_PLUGINS", "") not in ("", "0"):
        for candidate in installed:
            candidate.plugin.disabled = True


def _refuse_equal_names(plugins: list[Plugin]) -> None:
    """Mark plugins with equal names as broken; none of them has priority."""
    enabled = [plugin for plugin in plugins if not plugin.disabled]
    uses = Counter(plugin.name for plugin in enabled)
    for plugin in enabled:
        if uses[plugin.name] > 1:
            owners = [f"{other.module} ({other.source})" for other in enabled if other.name == plugin.name]
            plugin.error = f"has the same name as another plugin: {' and '.join(owners)}"


def _load(manager: pluggy.PluginManager, candidate: Candidate) -> None:
    """Import a plugin and register its parts, or record the error."""
    plugin = candidate.plugin
    started = time.perf_counter()
    try:
        with redirect_stdout(sys.stderr):  # stdout is reserved for output such as --json
            register(manager, plugin, candidate.load())
    except InvalidPluginError as refusal:
        plugin.error = str(refusal)
    except (Exception, SystemExit) as error:  # the plugin's code may raise anything
        plugin.error = f"failed to import: {one_line(error)}"
    plugin.seconds = time.perf_counter() - started
