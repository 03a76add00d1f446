"""One option's value, held against its annotation by pydantic, and what is wrong with it in plain words."""

import functools
import json
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from seqtool.errors import PartError, Problem, RecipeError, nearest_name
from seqtool.recipe.nodes import Node, Path, describe_node
from seqtool.registry.describe import render_type
from seqtool.registry.options import RelativeToRecipe

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError


@dataclass(frozen=True)
class Checked:
    """A value as the constructor gets it, and as a recipe would write it."""

    value: Any
    plain: Any


def check_value(annotation: Any, node: Node, path: Path) -> Checked:
    """The value that stands at `node`.

    Raises:
        RecipeError: it is not allowed, or something in it is not.
        PartError: the annotation itself is none that a recipe could satisfy.
    """
    from pydantic import ValidationError

    adapter, node = _adapter(annotation), _beside(annotation, node)
    try:
        text = json.dumps(node.plain(), allow_nan=False)
    except (TypeError, ValueError) as error:  # a value made in Python, of a type that YAML has not
        raise RecipeError([_problem(annotation, "", node, path)]) from error
    try:
        value = adapter.validate_json(text, strict=True)
    except ValidationError as error:
        raise RecipeError(_problems(error, annotation, node, path)) from error
    return Checked(value, adapter.dump_python(value, mode="json", warnings=False))


def _beside(annotation: Any, node: Node) -> Node:
    """The node of a path, made absolute: one in a file is relative to that file, any other to the working directory.

    An address, `hub://...`, is no path.
    """
    if not isinstance(node.value, str) or not node.value or "://" in node.value or not _is_path(annotation):
        return node
    folder = FilePath(node.origin.source).parent if node.origin.line else FilePath()
    return replace(node, value=str((folder / node.value).absolute()))


def _is_path(annotation: Any) -> bool:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return any(map(_is_path, arguments))
    return any(isinstance(note, RelativeToRecipe) for note in getattr(annotation, "__metadata__", ()))


def check_default(name: str, annotation: Any, default: Any) -> Checked:
    """The default of an option, as a recipe would give it.

    Raises:
        PartError: its own annotation does not allow it, or no recipe could write it.
    """
    from pydantic import ValidationError
    from pydantic_core import PydanticSerializationError

    adapter = _adapter(annotation)
    try:
        plain = adapter.dump_python(default, mode="json", warnings=False)
        value = adapter.validate_json(json.dumps(plain, allow_nan=False), strict=True)
    except (ValidationError, PydanticSerializationError, TypeError, ValueError) as error:
        raise PartError(
            f"the default of its option {name!r}, {default!r}, is none that a recipe could give", option=name
        ) from error
    return Checked(value, plain)


@functools.cache
def _cached_adapter(annotation: Any) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    try:
        return TypeAdapter(annotation)
    except (PydanticUserError, TypeError) as error:
        words = render_type(annotation)
        raise PartError(f"it has an option of the type {words}, which no recipe can hold") from error


def _adapter(annotation: Any) -> "TypeAdapter[Any]":
    """The adapter of an annotation; a few annotations cannot be hashed, and so not be cached."""
    try:
        hash(annotation)
    except TypeError:
        return _cached_adapter.__wrapped__(annotation)
    return _cached_adapter(annotation)


def _problems(error: "ValidationError", annotation: Any, node: Node, path: Path) -> list[Problem]:
    """One problem a place, at the innermost place that any arm of a union complains about."""
    located = []
    for detail in error.errors(include_url=False, include_input=False):
        inner, expected, steps = _locate(annotation, node, detail["loc"])
        special = detail["type"] in ("value_error", "assertion_error")
        words = str(detail["ctx"]["error"]) if special else ""
        located.append((steps, inner, expected, words))
    depth = max(len(steps) for steps, *_ in located)
    unique = {steps: rest for steps, *rest in reversed(located) if len(steps) == depth}
    return [_problem(expected, words, inner, path + steps) for steps, (inner, expected, words) in unique.items()]


def _problem(expected: Any, words: str, node: Node, path: Path) -> Problem:
    names = [choice for choice in _choices(expected) if isinstance(choice, str)]
    nearest = nearest_name(node.value, names) if isinstance(node.value, str) else ""
    return Problem(
        words or f"expected {render_type(expected)}, got {describe_node(node)}", path, node.origin, nearest=nearest
    )


def _locate(annotation: Any, node: Node, steps: tuple[int | str, ...]) -> tuple[Node, Any, Path]:
    """Follow pydantic's location down the tree; steps that are its names for the arms of a union lead nowhere."""
    walked: Path = ()
    for step in steps:
        child = dict(node.children()).get(step)
        if child is not None:
            node, annotation, walked = child, _item(annotation, step), (*walked, step)
    return node, annotation, walked


def _item(annotation: Any, step: int | str) -> Any:
    """The annotation of what stands one step inside; `Any` where that cannot be told."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _item(arguments[0], step)
    if origin in (Union, UnionType):
        return next((item for arm in arguments if (item := _item(arm, step)) is not Any), Any)
    if origin is dict and isinstance(step, str):
        return arguments[1]
    if origin is tuple and isinstance(step, int) and Ellipsis not in arguments:
        return arguments[step] if step < len(arguments) else Any
    if origin in (list, tuple, set, frozenset) and isinstance(step, int):
        return arguments[0]
    return Any


def _choices(annotation: Any) -> list[Any]:
    """The values that an annotation lists one by one."""
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    if get_origin(annotation) in (Annotated, Union, UnionType):
        return [choice for argument in get_args(annotation) for choice in _choices(argument)]
    return []
