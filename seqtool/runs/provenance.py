"""The content of run.json: command, versions, plugins, machine and git commit of a run."""

import datetime
import importlib.metadata
import os
import platform
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from seqtool import __version__
from seqtool.recipe import Recipe
from seqtool.registry import Registry
from seqtool.runs.git_revision import git_revision

PACKAGES = ("torch", "pytorch-lightning", "numpy")


def provenance(
    recipe: Recipe, variants: Iterable[str], seeds: Iterable[int], device: str | None, registry: Registry
) -> dict[str, Any]:
    """The content of run.json (docs/run_directory.md)."""
    return {
        "recipe": recipe.name,
        "source": str(recipe.path),
        "variants": list(variants),
        "seeds": list(seeds),
        "device": device,
        "overrides": list(recipe.overrides),
        "command": sys.argv,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {
            "seqtool": __version__,
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in PACKAGES},
        },
        "plugins": [
            {"name": plugin.name, "distribution": plugin.distribution, "version": plugin.version}
            for plugin in registry.plugins
            if plugin.status == "ok"
        ],
        "plugin_flags": plugin_flags(registry).strip(),
        "machine": machine(),
        "git": git_revision(recipe.path.parent),
    }


def machine() -> dict[str, Any]:
    """Processor, number of cores and operating system."""
    return {"processor": _processor(), "cores": os.cpu_count(), "system": platform.system()}


def plugin_flags(registry: Registry) -> str:
    """The command-line flags that select the plugins of `registry`, for the resume command."""
    flags = {"modules": "-p", "plugins_dirs": "--plugins-dir", "disabled": "--no-plugin"}
    options = registry.discovery()
    return "".join(f" {flag} {shlex.quote(value)}" for name, flag in flags.items() for value in options[name])


def _processor() -> str:
    """The processor's name. On Linux it is in /proc/cpuinfo; Python reports only the architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
