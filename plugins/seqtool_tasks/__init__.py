"""Synthetic tasks."""

from collections.abc import Iterable

from seqtool.api import Component, hookimpl

SEQTOOL_API = (1, 0)


@hookimpl
def seqtool_components() -> Iterable[Component]:
    """The tasks of this package."""
    yield Component("task", "alignment", "seqtool_tasks.alignment:Alignment", "pick the symbols out of the blanks")
    yield Component("task", "copy", "seqtool_tasks.copy:Copy", "say the source again")
    yield Component("task", "reverse", "seqtool_tasks.reverse:Reverse", "say the source backwards")
