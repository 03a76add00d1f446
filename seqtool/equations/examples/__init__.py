"""Worked examples of parts: the module is the kind, the function the part. `seqtool explain` prints them.

To add one, write a function of the part's name, without arguments, in the module of its kind, and return an `Example`:
lines from `seqtool.equations.vectors`, the result from the part's own formulation.
"""

import importlib
from collections.abc import Callable

from seqtool.equations.example import Example

KINDS = ("cell", "decoder", "encoder", "loss", "normalizer", "readout", "scorer")
"""The kinds that have a module here."""


def find_example(kind: str, name: str) -> Callable[[], Example] | None:
    """The worked example of a part, None where it has none."""
    return _own_function(f"{__name__}.{kind}", name) if kind in KINDS else None


def find_formulation(kind: str, name: str) -> Callable[..., object] | None:
    """The formulation of a part in plain Python, None where it has none of its own name."""
    return _own_function(f"seqtool.equations.{kind}", name) if kind in KINDS else None


def _own_function(module: str, name: str) -> Callable[..., Example] | None:
    found = vars(importlib.import_module(module)).get(name)
    return found if callable(found) and found.__module__ == module else None
