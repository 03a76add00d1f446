"""A constructor read as a schema: which of its keyword-only parameters are options, and which are slots."""

import functools
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from seqtool.errors import PartError
from seqtool.registry.options import Factory, Named, SlotKind
from seqtool.registry.signature import read_constructor


class _Missing:
    """Stands for the default of an option that must be given."""


MISSING = _Missing()


@dataclass(frozen=True)
class Slot:
    """An option that holds parts.

    Attributes:
        kind: the kind of its parts, which `type` chooses; empty where `cls` is itself the part.
        cls: that class, None where `kind` is given.
        many: whether it holds a list of parts, and which type the constructor wants for it.
        nullable: whether it may be empty.
        shape: for a list, its annotation with anything for parts, so that its length can be checked.
    """

    kind: str = ""
    cls: type | None = None
    many: type[list[Any]] | type[tuple[Any, ...]] | None = None
    nullable: bool = False
    shape: Any = None


@dataclass(frozen=True)
class Option:
    """One keyword-only parameter."""

    name: str
    annotation: Any
    default: Any
    slot: Slot | None

    @property
    def required(self) -> bool:
        """Whether a recipe must give it."""
        return self.default is MISSING


@dataclass(frozen=True)
class Schema:
    """What a class takes from the recipe."""

    options: dict[str, Option]


@functools.cache
def schema_of(cls: type) -> Schema:
    """Read the constructor of `cls`.

    Raises:
        PartError: it does not say what it takes, or says it in a way that no recipe can give.
    """
    constructor = read_constructor(cls)
    options = {}
    for parameter in constructor.options:
        default = MISSING if parameter.default is parameter.empty else parameter.default
        slot = _slot(parameter.name, parameter.annotation)
        if parameter.name == "type":
            raise PartError("no option can be named `type`, which names the part itself")
        if slot is not None and not (default is None or isinstance(default, Named | _Missing)):
            raise PartError(f"the default of its slot {parameter.name!r} must be None or named(...), not {default!r}")
        options[parameter.name] = Option(parameter.name, parameter.annotation, default, slot)
    return Schema(options)


def _slot(name: str, annotation: Any) -> Slot | None:
    """The slot that an annotation makes of an option, None for a plain option."""
    if not _mentions_factory(annotation):
        return None
    inner, notes = _unwrap(annotation)
    nullable = False
    if get_origin(inner) in (Union, UnionType):
        arms = [arm for arm in get_args(inner) if arm is not NoneType]
        nullable = len(arms) < len(get_args(inner))
        if len(arms) != 1:
            raise _unreadable(name)
        inner, more = _unwrap(arms[0])
        notes += more
    origin, arguments = get_origin(inner), get_args(inner)
    if origin is list or (origin is tuple and arguments[1:] == (Ellipsis,)):
        kind, cls = _held(name, *_unwrap(arguments[0]))
        shape = Annotated[(list[Any], *notes)] if notes else list[Any]
        return Slot(kind, cls, origin, nullable, shape)
    kind, cls = _held(name, inner, notes)
    return Slot(kind, cls, None, nullable)


def _held(name: str, inner: Any, notes: tuple[Any, ...]) -> tuple[str, type | None]:
    """The kind, or else the class, of `Factory[X]`."""
    if get_origin(inner) is not Factory:
        raise _unreadable(name)
    (target,) = get_args(inner)
    kinds = [note.kind for note in notes if isinstance(note, SlotKind)]
    kind = kinds[0] if kinds else getattr(target, "kind", "")
    if not isinstance(kind, str) or (not kind and (target is Any or not isinstance(target, type))):
        raise _unreadable(name)
    return (kind, None) if kind else ("", target)


def _unwrap(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """`Annotated[X, ...]` -> X and its notes."""
    if get_origin(annotation) is Annotated:
        inner, *notes = get_args(annotation)
        return inner, tuple(notes)
    return annotation, ()


def _mentions_factory(annotation: Any) -> bool:
    origin = get_origin(annotation)
    if annotation is Factory or origin is Factory:
        return True
    return origin is not Literal and any(_mentions_factory(argument) for argument in get_args(annotation))


def _unreadable(name: str) -> PartError:
    return PartError(
        f"its slot {name!r} is annotated in a way that no recipe can fill",
        allowed="Factory[X], Annotated[Factory[Any], SlotKind(kind)], lists of these, and | None",
    )
