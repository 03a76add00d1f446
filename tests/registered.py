"""Names of registered parts, for tests that apply to all parts of a kind."""

from typing import Any

from seqtool.errors import PartError
from seqtool.registry import default_registry
from seqtool.registry.signature import read_constructor
from seqtool.testing import example_options


def names(kind: str, *, requires: frozenset[str] = frozenset(), without: frozenset[str] = frozenset()) -> list[str]:
    """The parts of a kind that declare all of `requires` and none of `without`."""
    parts = default_registry().parts(kind)
    if requires or without:
        parts = [part for part in parts if requires <= part.load().requires and not without & part.load().requires]
    return [part.name for part in parts]


def wraps_cell(name: str) -> bool:
    """Whether a cell has a slot for another cell."""
    cell = default_registry().find("cell", name).load()
    return "cell" in {option.name for option in read_constructor(cell).options}


def options_of(kind: str, name: str) -> dict[str, Any]:
    """Values for the options that a part requires."""
    return example_options(default_registry().find(kind, name).load())


def memory_size(scorer: str, options: dict[str, Any], query_size: int) -> int:
    """A memory of another size than the query, unless the scorer refuses that."""
    try:
        default_registry().find("scorer", scorer).load()(query_size, query_size + 2, **options)
    except PartError:
        return query_size
    return query_size + 2
