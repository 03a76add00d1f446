"""Searches."""

from collections.abc import Iterable

from seqtool.api import Component, hookimpl

SEQTOOL_API = (1, 0)


@hookimpl
def seqtool_components() -> Iterable[Component]:
    """The searches of this package."""
    yield Component("search", "greedy", "seqtool_search.greedy:Greedy", "the best symbol at every step")
