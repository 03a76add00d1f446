"""Describes a part, from the sections of its docstring and its constructor."""

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from seqtool.registry.options import Factory, Named, SlotKind
from seqtool.registry.signature import read_constructor

_SECTION = re.compile(
    r"(Equation|Source|When to use|Args|Attributes|Raises|Returns|Example|Examples|Note|Notes):\s*(.*)"
)
_ENTRY = re.compile(r"([A-Za-z_]\w*(?:, [A-Za-z_]\w*)*):\s*(.*)")
_BOUNDS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


@dataclass(frozen=True)
class Option:
    """An option: its dotted name, its type and default in recipe notation, and its meaning.

    `default` is None if the option is required.
    """

    name: str
    type: str
    default: str | None
    meaning: str


@dataclass(frozen=True)
class Description:
    """The description of a part. `sizes` pairs each size's name with its meaning."""

    summary: str
    text: str
    equation: str
    source: str
    when_to_use: str
    sizes: tuple[tuple[str, str], ...]
    options: tuple[Option, ...]


def describe(part: type) -> Description:
    """Read a class's docstring and constructor.

    Raises:
        PartError: the constructor cannot be read.
    """
    sections = read_sections(inspect.cleandoc(part.__doc__ or ""))
    summary, _, text = sections[""].partition("\n")
    meanings = _meanings(part)
    sizes = tuple((size.name, meanings.get(size.name, "")) for size in read_constructor(part).sizes)
    options = tuple(_options(part, "", (part,)))
    equation, source, when = (sections.get(name, "") for name in ("Equation", "Source", "When to use"))
    return Description(summary, text.strip(), equation, source, when, sizes, options)


def read_sections(docstring: str) -> dict[str, str]:
    """The text of each section (`Equation:`, `Source:`, `Args:`, ...); text outside of sections has the key "".

    A heading is not indented. Its text follows on the same line and continues until an empty line, or is indented
    below.
    """
    found: dict[str, list[str]] = {"": []}
    current, inline = "", False
    for line in docstring.splitlines():
        heading = _SECTION.fullmatch(line)
        if heading:
            current, inline = heading[1], bool(heading[2])
            found[current] = [heading[2]]
            continue
        at_margin = line[:1].strip() != ""
        if current and ((inline and not line) or (at_margin and not inline)):
            current = ""
        found[current].append(line)
    return {name: inspect.cleandoc("\n".join(lines)).strip() for name, lines in found.items()}


def read_entries(section: str) -> dict[str, str]:
    """Parse `name: meaning` entries, which may continue on indented lines; `a, b: meaning` describes both names."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        entry = _ENTRY.match(line)
        if entry:
            names = entry[1].split(", ")
        for name in names:
            found[name] = f"{found[name]} {line.strip()}".strip() if not entry else entry[2]
    return found


def _meanings(part: type) -> dict[str, str]:
    """The meaning of each argument, from the docstrings of the class and of its bases up to the one with `__init__`."""
    meanings: dict[str, str] = {}
    for base in part.__mro__:
        meanings = read_entries(read_sections(inspect.cleandoc(base.__doc__ or "")).get("Args", "")) | meanings
        if "__init__" in vars(base):
            break
    return meanings


def _options(part: type, prefix: str, above: tuple[type, ...]) -> Iterator[Option]:
    """The options of a class, including those of slots with a fixed class, such as `attention.scorer`."""
    meanings = _meanings(part)
    for option in read_constructor(part).options:
        default = None if option.default is option.empty else render_value(option.default)
        name = prefix + option.name
        yield Option(name, render_type(option.annotation), default, meanings.get(option.name, ""))
        inner = _fixed_class(option.annotation)
        if inner is not None and inner not in above:
            yield from _options(inner, f"{name}.", (*above, inner))


def _fixed_class(annotation: Any) -> type | None:
    """The class of a slot without a choice of `type`: `Attention` for `Factory[Attention]`."""
    if get_origin(annotation) is Factory:
        (target,) = get_args(annotation)
        return target if _is_fixed(target) else None
    if get_origin(annotation) in (Annotated, Union, UnionType):
        return next(filter(None, map(_fixed_class, get_args(annotation))), None)
    return None


def _is_fixed(target: Any) -> bool:
    return isinstance(target, type) and target is not Any and not hasattr(target, "kind")


def render_type(annotation: Any) -> str:
    """A type in recipe notation: "int >= 1", "copy | linear | zero", "scorer slot | null"."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _render_annotated(arguments[0], arguments[1:])
    if origin is Factory:
        return _render_slot(arguments[0])
    if origin is Literal:
        return " | ".join(map(render_value, arguments))
    if origin in (Union, UnionType):
        return " | ".join(map(render_type, arguments))
    if origin is tuple and arguments[-1] is not Ellipsis:
        return f"[{', '.join(map(render_type, arguments))}]"
    if origin in (list, tuple):
        return f"list of {render_type(arguments[0])}"
    if origin is dict:
        return f"mapping of {render_type(arguments[0])} to {render_type(arguments[1])}"
    if annotation is None or annotation is type(None):
        return "null"
    if annotation is Any:
        return "anything"
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def _render_annotated(inner: Any, notes: tuple[Any, ...]) -> str:
    kinds = [note.kind for note in notes if isinstance(note, SlotKind)]
    text = f"{kinds[0]} slot" if kinds else render_type(inner)
    bounds = [
        f"{sign} {getattr(note, name)}"
        for note in notes
        for name, sign in _BOUNDS.items()
        if getattr(note, name, None) is not None
    ]
    lengths = [
        f"{limit} {getattr(note, name)} long"
        for note in notes
        for name, limit in (("min_length", "at least"), ("max_length", "at most"))
        if getattr(note, name, None)
    ]
    return ", ".join([f"{text} {' and '.join(bounds)}".rstrip(), *lengths])


def _render_slot(target: Any) -> str:
    if _is_fixed(target):
        return f"{{{', '.join(option.name for option in read_constructor(target).options)}}}"
    return f"{getattr(target, 'kind', '')} slot".strip()


def render_value(value: Any) -> str:
    """A value in recipe notation."""
    if isinstance(value, Named):
        return value.name
    if isinstance(value, str) and re.fullmatch(r"(?!(?:true|false|null)$)[A-Za-z_][\w.-]*", value):
        return value
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(render_value, value))}]"
    try:
        return json.dumps(value)
    except TypeError:
        return repr(value)
