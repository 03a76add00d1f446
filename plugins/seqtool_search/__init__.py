"""Searches."""

from collections.abc import Iterable

from seqtool.api import Component, hookimpl

SEQTOOL_API = (1, 0)


@hookimpl
def seqtool_components() -> Iterable[Component]:
    """The searches of this package."""
    yield Component("search", "greedy", "seqtool_search.greedy:Greedy", "the most probable symbol at every step")
    yield Component("search", "beam", "seqtool_search.beam:Beam", "beam search with a length penalty")
    yield Component("search", "sample", "seqtool_search.sample:Sample", "samples from the model's distribution")
