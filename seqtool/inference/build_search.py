"""Build a search from a user's value."""

from collections.abc import Mapping
from typing import Any

from seqtool.build.requirements import check_search
from seqtool.errors import MisuseError
from seqtool.parts.search import Search
from seqtool.parts.task import Task
from seqtool.recipe import Reference, reference
from seqtool.registry import Registry

SearchOption = str | Mapping[str, Any] | Reference | Search | None
"""A search as a recipe writes it, or a built one; None for the recipe's own."""


def build_search(search: Any, n_best: int | None, task: Task, registry: Registry) -> Search:
    """Build a search for the targets of a task. Arguments and errors: see `Predictor.build_search`."""
    if isinstance(search, Search):
        check_search(search, registry.name_of(search), task, registry)
        return search
    found = search if isinstance(search, Reference) else reference("search", search, registry)
    cls: Any = found.cls
    check_search(cls, found.name, task, registry)
    if n_best is not None:
        option = cls.count_option
        if option is None and n_best > 1:
            message = f"the search {found.name!r} returns one hypothesis per source, not {n_best}"
            raise MisuseError(message, allowed=[f"--search '{{type: beam, size: {n_best}}}'"])
        if option is not None:
            found = reference("search", {**found.plain, option: n_best}, registry)
    built: Search = found()
    return built
