"""The schema of a part, read from its constructor: plain options and slots."""

import functools
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from seqtool.errors import PartError
from seqtool.registry.options import Factory, Named, SlotKind
from seqtool.registry.signature import read_constructor


class _Missing:
    """The default of a required option."""


MISSING = _Missing()


@dataclass(frozen=True)
class Slot:
    """An option whose values are parts.

    Attributes:
        kind: the kind of its parts, which `type` selects; empty if the class is fixed.
        cls: the fixed class; None if `kind` is given.
        many: `list` or `tuple` if it takes several parts; None for one part.
        nullable: whether it may be null.
        shape: for several parts, the annotation with `Any` for the parts, to check the length.
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
        """Whether a recipe must set it."""
        return self.default is MISSING


@dataclass(frozen=True)
class Schema:
    """The options of a class by name."""

    options: dict[str, Option]


@functools.cache
def schema_of(cls: type) -> Schema:
    """Read the constructor of `cls`.

    Raises:
        PartError: the constructor cannot be read, or a recipe cannot express an option.
    """
    constructor = read_constructor(cls)
    options = {}
    for parameter in constructor.options:
        default = MISSING if parameter.default is parameter.empty else parameter.default
        slot = _slot(parameter.name, parameter.annotation)
        if parameter.name == "type":
            raise PartError("an option cannot be named `type`, which selects the part in a recipe")
        if slot is not None and not (default is None or isinstance(default, Named | _Missing)):
            raise PartError(f"the default of its slot {parameter.name!r} must be None or named(...), not {default!r}")
        options[parameter.name] = Option(parameter.name, parameter.annotation, default, slot)
    return Schema(options)


def _slot(name: str, annotation: Any) -> Slot | None:
    """The slot that an annotation describes, None for a plain option."""
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
    """The kind or the fixed class of `Factory[X]`."""
    if get_origin(inner) is not Factory:
        raise _unreadable(name)
    (target,) = get_args(inner)
    kinds = [note.kind for note in notes if isinstance(note, SlotKind)]
    kind = kinds[0] if kinds else getattr(target, "kind", "")
    if not isinstance(kind, str) or (not kind and (target is Any or not isinstance(target, type))):
        raise _unreadable(name)
    return (kind, None) if kind else ("", target)


def _unwrap(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """`Annotated[X, ...]` -> X and its metadata."""
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
        f"the annotation of its slot {name!r} is not supported",
        allowed="Factory[X], Annotated[Factory[Any], SlotKind(kind)], lists of these, and | None",
    )
