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
        ("alignment", "Alignment", "extract the symbols between blanks"),
        ("associative_recall", "AssociativeRecall", "find an item of a list and output the next one"),
        ("bigram_flip", "BigramFlip", "swap the two symbols of each pair"),
        ("cmudict", "CMUDict", "English words -> phonemes"),
        ("copy", "Copy", "output the source"),
        ("dates", "Dates", "dates in natural language -> ISO 8601"),
        ("mqar", "Mqar", "find the values of many keys"),
        ("multiplication", "Multiplication", "multiply the two marked values of a long source"),
        ("repeat_copy", "RepeatCopy", "output the source the given number of times"),
        ("reverse", "Reverse", "output the source in reverse order"),
        ("scan", "Scan", "commands in simplified English -> actions"),
        ("sort", "Sort", "sort the symbols"),
    ):
        yield Component("task", name, f"seqtool_tasks.{name}:{owner}", summary)
