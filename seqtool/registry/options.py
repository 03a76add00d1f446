"""What a part's constructor may say: the types of options, and slots that hold other parts.

A constructor is the schema of a part. Positional parameters are sizes that the builder wires;
keyword-only parameters are options of the recipe. An option annotated `Factory[Scorer]` is a slot.
No torch here: the recipe language reads this without it.
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
    """What the contract suite gives an option that it cannot guess: `Annotated[str, Example("[a-z]+")]`."""

    value: Any


@dataclass(frozen=True)
class RelativeToRecipe:
    """Marks a path that is relative to the recipe which holds it; from `--set` and Python, to the working directory."""


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
    """A slot filled: takes the sizes that its owner alone knows, and returns the part.

    Any callable will do in Python, `lambda query, memory: Dot(query, memory)`; a recipe's `{type: dot}` becomes one.
    """

    def __call__(self, *sizes: Any) -> Part_co: ...


@dataclass(frozen=True)
class SlotKind:
    """Names the kind of a slot where its contract cannot be imported: `Annotated[Factory[Any], SlotKind("loss")]`."""

    kind: str


@dataclass(frozen=True)
class Named:
    """The default of a slot, by the name that a recipe gives: `readout: Factory[Readout] = named("linear")`."""

    name: str

    def __call__(self, *sizes: Any) -> NoReturn:
        raise PartError(
            f"the default part {self.name!r} is found by name: build the owner through seqtool.make(...) "
            "or a recipe, or pass a factory"
        )


def named(name: str) -> Any:
    """The default of a slot. Typed `Any`, so that it may stand for any kind of part."""
    return Named(name)
