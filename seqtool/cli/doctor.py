"""`seqtool doctor`: checks the installation and its devices."""

import importlib
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any, Literal

from seqtool import __version__
from seqtool.cli.output import emit_json, emit_table
from seqtool.cli.verb_options import PluginFlags, plugin_options, table_options, verb
from seqtool.errors import PluginError
from seqtool.registry import Registry
from seqtool.registry.records import one_line

_MODULES = {"pyyaml": "yaml"}
"""Distribution -> module, where the names differ."""


@dataclass(frozen=True)
class Check:
    """One check. Only the status "error" makes seqtool unusable."""

    name: str
    status: Literal["ok", "warning", "error"]
    found: str
    note: str = ""


@verb("doctor", example="seqtool doctor\nseqtool doctor --json")
@plugin_options
@table_options
def command(plugins: PluginFlags, as_json: bool) -> int:
    """Check versions, devices, plugins and parts. The exit code is 1 if a required component is broken."""
    registry = plugins.registry(warn=False)
    checks = [*_system(), *_dependencies(), *_devices(), *_plugins(registry), *_kernels(registry)]
    sound = all(check.status != "error" for check in checks)
    if as_json:
        emit_json({"ok": sound, "checks": [asdict(check) for check in checks]})
    else:
        emit_table(
            ("CHECK", "STATUS", "FOUND", "NOTE"),
            [(check.name, check.status, check.found, check.note) for check in checks],
        )
    return 0 if sound else 1


def _system() -> Iterator[Check]:
    yield Check("seqtool", "ok", __version__, os.path.dirname(importlib.import_module("seqtool").__file__ or ""))
    new_enough = sys.version_info >= (3, 11)
    yield Check("python", "ok" if new_enough else "error", platform.python_version(), "3.11 or newer")
    yield Check("platform", "ok", platform.platform())
    try:
        with tempfile.TemporaryFile(dir="."):
            yield Check("current folder", "ok", os.getcwd(), "writable")
    except OSError as error:
        yield Check("current folder", "warning", os.getcwd(), f"{error.strerror}: `run` needs --out elsewhere")


def _dependencies() -> Iterator[Check]:
    """Import each requirement of seqtool and its extras, and compare its version with the tested range."""
    from packaging.requirements import Requirement

    try:
        lines = metadata.requires("seqtool") or []
    except metadata.PackageNotFoundError:
        yield Check("seqtool's metadata", "warning", "none", "run from a checkout that is not installed")
        return
    for requirement in map(Requirement, lines):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield _dependency(requirement, "error")
        elif requirement.marker.evaluate({"extra": "tensorboard"}):
            yield _dependency(requirement, "warning")


def _dependency(requirement: Any, severity: Literal["warning", "error"]) -> Check:
    name = requirement.name
    note = str(requirement.specifier)
    if severity == "warning":
        note += ", optional"
    try:
        version = metadata.version(name)
        importlib.import_module(_MODULES.get(name.lower(), name.replace("-", "_")))
    except metadata.PackageNotFoundError:
        return Check(name, severity, "not installed", note)
    except Exception as error:  # a broken library may raise anything
        return Check(name, severity, version, one_line(error))
    tested = requirement.specifier.contains(version, prereleases=True)
    return Check(name, "ok" if tested else severity, version, note if tested else f"tested with {note}")


def _devices() -> Iterator[Check]:
    try:
        import torch

        from seqtool.build.device_support import TESTED
    except Exception:  # reported by _dependencies
        return
    yield Check("cpu", "ok", f"{torch.get_num_threads()} threads", f"of {os.cpu_count()} processors")
    from seqtool.nn.torch_lstm import lstm_needs_float32

    if lstm_needs_float32(torch.bfloat16):
        yield Check("cpu, bf16-mixed", "ok", "LSTMs run in float32", "this processor has no bfloat16 LSTM")
    for index in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(index)
        yield Check(f"cuda:{index}", "ok", device.name, f"{device.total_memory / 2**30:.1f} GiB")
    if not torch.cuda.is_available():
        built = torch.version.cuda
        yield Check(
            "cuda", "ok", "none", f"torch is built for CUDA {built}" if built else "torch is built without CUDA"
        )
    yield Check("mps", "ok", "present" if torch.backends.mps.is_available() else "none")
    for kind, tested in TESTED.items():
        yield Check(f"tested on {kind}", "ok", tested.what, tested.how)


def _plugins(registry: Registry) -> Iterator[Check]:
    """Check each plugin, and load each part of those that work. Only seqtool's own plugins are required."""
    for plugin in registry.plugins:
        severity: Literal["warning", "error"] = "error" if plugin.distribution == "seqtool" else "warning"
        if plugin.status != "ok":
            why = f"it {plugin.error}" if plugin.error else ""
            yield Check(f"plugin {plugin.name}", severity if plugin.error else "warning", plugin.status, why)
        for warning in plugin.warnings:
            yield Check(f"plugin {plugin.name}", "warning", plugin.status, f"it {warning}")
        for part in plugin.components if plugin.status == "ok" else ():
            try:
                part.load()
            except PluginError as error:
                yield Check(f"{part.kind}/{part.canonical}", severity, "broken", str(error))
    parts = registry.parts()
    working = sum(plugin.status == "ok" for plugin in registry.plugins)
    found = f"{len(parts)} parts of {working} plugins"
    yield Check("parts", "ok" if parts else "error", found, "" if parts else "no plugin works: reinstall seqtool")


def _kernels(registry: Registry) -> Iterator[Check]:
    """Report which kernels can run on this machine; the slower reference implementation replaces the others."""
    try:
        from seqtool.build.kernels import available_kernels
    except ImportError:  # reported by _dependencies
        return
    reasons = {name: kernel.unavailable() for name, kernel in available_kernels(registry)}
    for reason in sorted({reason for reason in reasons.values() if reason}):
        idle = [name for name, why in reasons.items() if why == reason]
        yield Check("kernels", "warning", f"{len(idle)} of {len(reasons)} unavailable", reason)
    if not any(reasons.values()):
        yield Check("kernels", "ok", f"all {len(reasons)} available", "used with train.engine: auto")
