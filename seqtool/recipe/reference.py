"""A slot that a recipe filled: a part's class with its options, waiting for its sizes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from seqtool.errors import Origin, PartError, Problem, RecipeError, SeqtoolError
from seqtool.recipe.nodes import Path

PYTHON = Origin("python")


@dataclass(frozen=True)
class Reference:
    """A part by name, with checked options; calling it with sizes builds the part.

    Attributes:
        kind: the kind of the slot; empty for a slot that takes one class and no `type`.
        name: the canonical name, or that class's.
        options: what the constructor gets; slots hold references, lists of references, or None.
        plain: the same as a recipe would write it, defaults filled in.
        path, origin: where the part stands in the recipe.
        origins: where each option's value comes from.
        source: the distribution and version that the part came from.
    """

    kind: str
    name: str
    cls: type
    options: Mapping[str, Any]
    plain: Mapping[str, Any] = field(repr=False)
    path: Path = ()
    origin: Origin = PYTHON
    origins: Mapping[str, Origin] = field(default_factory=dict, repr=False)
    source: str = ""

    def __call__(self, *sizes: Any) -> Any:
        """Build the part.

        Raises:
            RecipeError: the part refuses its options or sizes; placed at the option that it names.
            SeqtoolError: its constructor failed for another reason.
        """
        try:
            return self.cls(*sizes, **self.options)
        except PartError as error:
            raise RecipeError([self._problem(error)]) from error
        except SeqtoolError:
            raise
        except Exception as error:  # whatever the code of a plugin does
            raise SeqtoolError(f"{self.origin}: {self} failed to build: {type(error).__name__}: {error}") from error

    def __str__(self) -> str:
        label = f"{self.kind} {self.name}".strip()
        return f"{label} ({self.source})" if self.source else label

    def _problem(self, error: PartError) -> Problem:
        origin = self.origins.get(error.option)
        if origin is None or not origin.line:
            origin = origin if origin and origin.source.startswith("--set") else self.origin
        path = (*self.path, error.option) if error.option in self.options else self.path
        return Problem(str(error), path, origin, allowed=error.allowed)
