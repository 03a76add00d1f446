"""The value of a slot in a recipe: the class of a part with its options, called with sizes to build the part."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from seqtool.errors import Origin, PartError, Problem, RecipeError, SeqtoolError
from seqtool.recipe.nodes import Path
from seqtool.registry.kinds import KINDS
from seqtool.registry.records import resolve

PYTHON = Origin("python")


@dataclass(frozen=True)
class Reference:
    """A part with checked options. Calling it with sizes builds the part.

    Attributes:
        kind: the kind of the slot; empty for a slot with a fixed class.
        name: the canonical name, or the name of the fixed class.
        options: the keyword arguments of the constructor; the value of a slot is a reference, a list of them, or None.
        plain: the options in recipe notation, with defaults.
        path, origin: the path and the location of the part in the recipe.
        origins: where the value of each option comes from.
        source: the distribution and version of the part's plugin.
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
            RecipeError: the part refuses its options or sizes; located at the option at fault.
            SeqtoolError: the constructor raised another exception, or does not set an attribute of the contract.
        """
        try:
            part = self.cls(*sizes, **self.options)
        except PartError as error:
            raise RecipeError([self._problem(error)]) from error
        except SeqtoolError:
            raise
        except (Exception, SystemExit) as error:  # the plugin's code may raise anything
            raise SeqtoolError(f"{self.origin}: {self} failed to build: {type(error).__name__}: {error}") from error
        if missing := self._missing(part):
            raise SeqtoolError(
                f"{self.origin}: {self} has no {' and no '.join(missing)}, which its constructor must set"
            )
        return part

    def __str__(self) -> str:
        label = f"{self.kind} {self.name}".strip()
        return f"{label} ({self.source})" if self.source else label

    def _missing(self, part: Any) -> list[str]:
        """The sizes that the contract of the kind declares and the part does not have."""
        contract = resolve(KINDS[self.kind].contract) if self.kind else object
        declared = vars(contract).get("__annotations__", {})
        return [name for name in declared if name.endswith(("_size", "_sizes")) and not hasattr(part, name)]

    def _problem(self, error: PartError) -> Problem:
        origin = self.origins.get(error.option)
        if origin is None or not origin.line:
            origin = origin if origin and origin.source.startswith("--set") else self.origin
        path = (*self.path, error.option) if error.option in self.options else self.path
        return Problem(str(error), path, origin, allowed=error.allowed)
