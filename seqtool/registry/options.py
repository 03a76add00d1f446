"""Annotations for the options of a part: types with bounds, and slots for other parts.

The constructor is the schema of a part. Positional parameters are sizes that the builder passes; keyword-only
parameters are options of the recipe. An option annotated `Factory[Scorer]` is a slot. No torch is imported here.
"""

from dataclasses import dataclass
from typing import Annotated, Any, NoReturn, Protocol, TypeVar

from annotated_types import Ge, Gt, Interval, Le, MinLen

from seqtool.errors import PartError

Part_co = TypeVar("Part_co", covariant=True)

Size = Annotated[int, Ge(1), Le(1_000_000)]
Depth = Annotated[int, Ge(1), Le(100)]
Count = Annotated[int, Ge(0)]
Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Probability = Annotated[float, Interval(ge=0, le=1)]


@dataclass(frozen=True)
class Example:
    """The value that the contract suite uses for an option without a default: `Annotated[str, Example("[a-z]+")]`."""

    value: Any


@dataclass(frozen=True)
class RelativeToRecipe:
    """Marks a path as relative to the recipe file; with `--set` and in Python, to the working directory."""


DataPath = Annotated[str, MinLen(1), RelativeToRecipe()]
__all__ = [
    "Count",
    "DataPath",
    "Depth",
    "Example",
    "Factory",
    "MinLen",
    "Named",
    "NonNegative",
    "Positive",
    "Probability",
    "RelativeToRecipe",
    "Size",
    "SlotKind",
    "named",
]


class Factory(Protocol[Part_co]):
    """The value of a slot: a callable that takes sizes from the part with the slot, and returns the inner part.

    In a recipe it is `{type: dot}`; in Python any callable, such as `lambda query, memory: Dot(query, memory)`.
    """

    def __call__(self, *sizes: Any) -> Part_co: ...


@dataclass(frozen=True)
class SlotKind:
    """The kind of a slot whose contract cannot be imported: `Annotated[Factory[Any], SlotKind("loss")]`."""

    kind: str


@dataclass(frozen=True)
class Named:
    """The default part of a slot, by name: `readout: Factory[Readout] = named("linear")`."""

    name: str

    def __call__(self, *sizes: Any) -> NoReturn:
        raise PartError(
            f"the default part {self.name!r} is found by name: build the part with seqtool.make(...) "
            "or a recipe, or pass a factory for its slot"
        )


def named(name: str) -> Any:
    """The default part of a slot, by name. Typed `Any`, so it fits slots of all kinds."""
    return Named(name)
