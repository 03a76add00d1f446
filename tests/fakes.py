"""Plugins for tests: modules, and distributions with entry points, in a temporary folder."""

import importlib
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from seqtool.registry import Plugin, Registry, discover

PLUGINS = Path(__file__).parent.parent / "plugins"

BUILT_IN = tuple(sorted(path.parent.name for path in PLUGINS.glob("*/__init__.py")))
"""The modules of the built-in plugins, for `-p` without an installed seqtool."""

HEADER = "from seqtool.api import Component, hookimpl\n"


def parts(*components: str) -> str:
    """The source of a plugin that yields these components: `parts('"scorer", "a", "some.module:A"')`."""
    lines = "".join(f"    yield Component({component})\n" for component in components)
    return f"{HEADER}@hookimpl\ndef seqtool_components():\n{lines or '    return ()'}\n"


class Fakes:
    """A folder on `sys.path`; `close` removes it and its modules, all named `fake_*`."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
        importlib.invalidate_caches()

    def close(self) -> None:
        """Remove imported modules."""
        for name in [name for name in sys.modules if name.startswith("fake_")]:
            del sys.modules[name]

    def module(self, name: str, source: str) -> Path:
        """Write a module, `pkg/sub.py` for "pkg.sub"."""
        path = self.folder.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(source))
        importlib.invalidate_caches()
        return path

    def distribution(self, name: str, version: str, points: dict[str, str], *, folder: Path | None = None) -> Path:
        """Write the metadata of an installed distribution whose entry points are `points`."""
        info = (folder or self.folder) / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        info.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        lines = "".join(f"{point} = {value}\n" for point, value in points.items())
        info.joinpath("entry_points.txt").write_text(f"[seqtool.plugins]\n{lines}")
        importlib.invalidate_caches()
        return info

    def installed(self, name: str, source: str, *, distribution: str = "", version: str = "0.3") -> None:
        """Write a module `fake_<name>` and a distribution with it as plugin `<name>`."""
        self.module(f"fake_{name}", source)
        self.distribution(distribution or f"seqtool-{name}", version, {name: f"fake_{name}"})


def strangers(registry: Registry) -> list[Plugin]:
    """Installed plugins that are not built in."""
    return [plugin for plugin in registry.plugins if plugin.distribution != "seqtool"]


def only(registry: Registry) -> Plugin:
    """The only plugin of a test."""
    (plugin,) = strangers(registry)
    return plugin


def found(**flags: object) -> Plugin:
    """Discover plugins and return the only one of a test."""
    return only(discover(**flags))  # type: ignore[arg-type]
