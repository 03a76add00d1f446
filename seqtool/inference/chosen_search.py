"""A search from what a user writes."""

from collections.abc import Mapping
from typing import Any

from seqtool.build.requirements import check_search
from seqtool.errors import MisuseError
from seqtool.parts.search import Search
from seqtool.parts.task import Task
from seqtool.recipe import Reference, reference
from seqtool.registry import Registry

Wish = str | Mapping[str, Any] | Reference | Search | None
"""A search as a recipe writes it, or one that is built; None is the recipe's own."""


def built_search(search: Any, n_best: int | None, task: Task, registry: Registry) -> Search:
    """The search that a value describes, for the targets of a task. Arguments and errors: see `Predictor.search`."""
    if isinstance(search, Search):
        check_search(search, registry.name_of(search), task, registry)
        return search
    found = search if isinstance(search, Reference) else reference("search", search, registry)
    cls: Any = found.cls
    check_search(cls, found.name, task, registry)
    if n_best is not None:
        option = cls.count_option
        if option is None and n_best > 1:
            message = f"the search {found.name!r} gives one hypothesis for each source, not {n_best}"
            raise MisuseError(message, allowed=[f"--search '{{type: beam, size: {n_best}}}'"])
        if option is not None:
            found = reference("search", {**found.plain, option: n_best}, registry)
    built: Search = found()
    return built
