"""The registry of plugins and parts. torch is not imported until a part is loaded."""

from seqtool.registry.records import Plugin, Registered
from seqtool.registry.registry import Registry, UnknownPartError, default_registry, discover

__all__ = ["Plugin", "Registered", "Registry", "UnknownPartError", "default_registry", "discover"]
