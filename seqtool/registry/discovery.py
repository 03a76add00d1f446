"""The one door: finds plugins, loads each, and makes a record of it whether it works or not."""

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
    """A plugin that was found, and how to import it."""

    plugin: Plugin
    load: Callable[[], object]


def find_plugins(modules: Sequence[str], plugins_dirs: Sequence[str | Path], disabled: Sequence[str]) -> list[Plugin]:
    """One record a plugin, in the order of discovery; see `seqtool.registry.discover`."""
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
    """`-p MODULE`."""
    for name in dict.fromkeys(modules):
        if name.endswith(".py") or "/" in name or os.sep in name:
            raise MisuseError(
                f"-p takes the name of a module, not a file: {name!r}\n"
                "    for a file, give its folder: --plugins-dir DIR"
            )
        yield Candidate(Plugin(name, name, "", "", "-p"), partial(importlib.import_module, name))


def _installed() -> Iterator[Candidate]:
    """Entry points, sorted by distribution and name; each once, however often the path holds its metadata.

    Only distributions that mention the group are parsed, so that one with broken metadata harms nobody else.
    """
    found: dict[tuple[str, str, str], Candidate] = {}
    for first in metadata.distributions():
        if GROUP not in (first.read_text("entry_points.txt") or ""):
            continue
        name, version, distribution = _authoritative(first)
        try:
            points = distribution.entry_points.select(group=GROUP)
        except Exception as error:  # the file is another's, and may hold anything
            plugin = Plugin(name, "", name, version, "entry point")
            plugin.error = f"has an entry_points.txt that cannot be read: {one_line(error)}"
            found[name, name, ""] = Candidate(plugin, object)
            continue
        for point in points:
            plugin = Plugin(point.name, point.value, name, version, "entry point")
            found[name, point.name, point.value] = Candidate(plugin, point.load)
    return iter(found[key] for key in sorted(found))


def _authoritative(found: metadata.Distribution) -> tuple[str, str, metadata.Distribution]:
    """Name and version of the distribution that is first on the path under this one's name, and so imported."""
    try:
        name = str(found.metadata["Name"])
        first = metadata.distribution(name)
        return name, str(first.metadata["Version"]), first
    except Exception:  # metadata without a readable METADATA file; its entry points still work
        return "unknown", "unknown", found


def _local(plugins_dirs: Sequence[str | Path]) -> Iterator[Candidate]:
    """`--plugins-dir DIR`: each file `*.py` and each package folder, by name."""
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
    """Import `source` under its own name, so that it can name its parts by string and import its siblings.

    Its folder goes last on the path, so a file there never hides a module of anyone else's.
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
    """Mark what is not to be loaded, before anything is."""
    every = [candidate.plugin for candidate in [*installed, *others]]
    known = {name for plugin in every for name in (plugin.name, plugin.distribution) if name}
    for name in names:
        if name not in known:
            nearest = nearest_name(name, known)
            hint = f"\n    did you mean {nearest!r}?" if nearest else ""
            raise MisuseError(
                f"--no-plugin {name}: there is no such plugin{hint}\n"
                f"    allowed: {', '.join(sorted(known)) or 'nothing, no plugin was found'}"
            )
    for plugin in every:
        plugin.disabled = plugin.name in names or plugin.distribution in names
    if os.environ.get("SEQTOOL_NO_PLUGINS", "") not in ("", "0"):
        for candidate in installed:
            candidate.plugin.disabled = True


def _refuse_equal_names(plugins: list[Plugin]) -> None:
    """Plugin names are unique, and nobody has priority."""
    enabled = [plugin for plugin in plugins if not plugin.disabled]
    uses = Counter(plugin.name for plugin in enabled)
    for plugin in enabled:
        if uses[plugin.name] > 1:
            owners = [f"{other.module} ({other.source})" for other in enabled if other.name == plugin.name]
            plugin.error = f"shares its name with another plugin: {' and '.join(owners)}"


def _load(manager: pluggy.PluginManager, candidate: Candidate) -> None:
    """Import one plugin and take its parts in, or say in its record why not."""
    plugin = candidate.plugin
    started = time.perf_counter()
    try:
        with redirect_stdout(sys.stderr):  # stdout belongs to --json
            register(manager, plugin, candidate.load())
    except InvalidPluginError as refusal:
        plugin.error = str(refusal)
    except (Exception, SystemExit) as error:  # whatever the code of a plugin does at import
        plugin.error = f"failed to import: {one_line(error)}"
    plugin.seconds = time.perf_counter() - started
