"""Attention within a window that moves along the memory."""

from collections.abc import Iterable

from seqtool.api import Component, hookimpl

SEQTOOL_API = (1, 0)


@hookimpl
def seqtool_components() -> Iterable[Component]:
    """The scorer of this package, and a verb that prints its window."""
    yield Component(
        "scorer", "windowed", "seqtool_windowed.scorer:Windowed", "s . W h, less the distance from a moving place"
    )
    yield Component("verb", "window", "seqtool_windowed.verb:command", "Print a window's penalties.")
