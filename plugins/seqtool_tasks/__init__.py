"""Synthetic tasks."""

from collections.abc import Iterable

from seqtool.api import Component, hookimpl

SEQTOOL_API = (1, 0)


@hookimpl
def seqtool_components() -> Iterable[Component]:
    """The tasks of this package."""
    for name, owner, summary in (
        ("adding", "Adding", "add the two marked values of a long source"),
        ("addition", "Addition", "add two numbers written in digits"),
        ("alignment", "Alignment", "pick the symbols out of the blanks"),
        ("associative_recall", "AssociativeRecall", "find an item of a list, say the next one"),
        ("bigram_flip", "BigramFlip", "exchange the two symbols of each pair"),
        ("cmudict", "CMUDict", "English words -> phonemes"),
        ("copy", "Copy", "say the source again"),
        ("dates", "Dates", "dates as people write them -> ISO 8601"),
        ("mqar", "Mqar", "find the values of many keys"),
        ("multiplication", "Multiplication", "multiply the two marked values of a long source"),
        ("repeat_copy", "RepeatCopy", "say the source as often as it tells"),
        ("reverse", "Reverse", "say the source backwards"),
        ("scan", "Scan", "commands in simplified English -> actions"),
        ("sort", "Sort", "put the symbols in order"),
    ):
        yield Component("task", name, f"seqtool_tasks.{name}:{owner}", summary)
