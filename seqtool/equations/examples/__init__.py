"""Worked examples of the parts, printed by `seqtool explain`: one module per kind, one function per part.

To add one, define a function with the part's name and without arguments in the module of its kind. It returns an
`Example` whose lines use `seqtool.equations.vectors`, and whose result is that of the part's formulation.
"""

import importlib
from collections.abc import Callable

from seqtool.equations.example import Example

KINDS = ("cell", "decoder", "encoder", "loss", "normalizer", "readout", "scorer")
"""The kinds with worked examples."""


def find_example(kind: str, name: str) -> Callable[[], Example] | None:
    """The worked example of a part, or None."""
    return _own_function(f"{__name__}.{kind}", name) if kind in KINDS else None


def find_formulation(kind: str, name: str) -> Callable[..., object] | None:
    """The formulation of a part in plain Python, or None if no function has its name."""
    return _own_function(f"seqtool.equations.{kind}", name) if kind in KINDS else None


def _own_function(module: str, name: str) -> Callable[..., Example] | None:
    found = vars(importlib.import_module(module)).get(name)
    return found if callable(found) and found.__module__ == module else None
