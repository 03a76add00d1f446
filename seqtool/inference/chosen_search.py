"""A search from what a user writes."""

from collections.abc import Mapping
from typing import Any

from seqtool.errors import MisuseError
from seqtool.parts.search import Search
from seqtool.parts.vocabulary import Form, forms_of
from seqtool.recipe import Reference, reference
from seqtool.registry import Registry

Wish = str | Mapping[str, Any] | Reference | Search | None
"""A search as a recipe writes it, or one that is built; None is the recipe's own."""


def built_search(search: Any, n_best: int | None, form: Form, registry: Registry) -> Search:
    """The search that a value describes, for targets of a form. Arguments and errors: see `Predictor.search`."""
    if isinstance(search, Search):
        _refuse_misfit(type(search), type(search).__name__, form, registry)
        return search
    found = search if isinstance(search, Reference) else reference("search", search, registry)
    cls: Any = found.cls
    _refuse_misfit(cls, found.name, form, registry)
    if n_best is not None:
        option = cls.count_option
        if option is None and n_best > 1:
            message = f"the search {found.name!r} gives one hypothesis for each source, not {n_best}"
            raise MisuseError(message, allowed=[f"--search '{{type: beam, size: {n_best}}}'"])
        if option is not None:
            found = reference("search", {**found.plain, option: n_best}, registry)
    built: Search = found()
    return built


def _refuse_misfit(search: type, name: str, form: Form, registry: Registry) -> None:
    if form not in forms_of(search):
        able = [part.name for part in registry.parts("search") if form in forms_of(part.load())]
        raise MisuseError(f"the search {name!r} writes no {form}, as this task needs", allowed=able)
