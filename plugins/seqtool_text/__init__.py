"""Tasks from files of string pairs."""

from collections.abc import Iterable

from seqtool.api import Component, hookimpl

SEQTOOL_API = (1, 0)


@hookimpl
def seqtool_components() -> Iterable[Component]:
    """The tasks of this package."""
    yield Component("task", "text_pairs", "seqtool_text.text_pairs:TextPairs", "string pairs from files")
