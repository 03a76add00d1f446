"""Checks the value of an option against its annotation with pydantic, and describes errors in plain words."""

import functools
import json
import os
import re
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
    """A value for the constructor, and the same value in recipe notation."""

    value: Any
    plain: Any


def check_value(annotation: Any, node: Node, path: Path) -> Checked:
    """Check the value of a node.

    Raises:
        RecipeError: the value, or something in it, is not allowed.
        PartError: no value in a recipe can satisfy the annotation.
    """
    from pydantic import ValidationError

    adapter, node = _adapter(annotation), _absolute_path(annotation, node, path)
    try:
        text = json.dumps(node.plain(), allow_nan=False)
    except (TypeError, ValueError) as error:  # a Python value of a type that does not exist in YAML
        raise RecipeError([_problem(annotation, "", node, path)]) from error
    try:
        value = adapter.validate_json(text, strict=True)
    except ValidationError as error:
        raise RecipeError(_problems(error, annotation, node, path)) from error
    return Checked(value, adapter.dump_python(value, mode="json", warnings=False))


def _absolute_path(annotation: Any, node: Node, steps: Path) -> Node:
    """Make a path absolute. A path in a file is relative to the file, other paths to the working directory.

    URLs such as `hub://...` are not paths.

    Raises:
        RecipeError: the path is not UTF-8.
    """
    if not isinstance(node.value, str) or not node.value or "://" in node.value or not is_path(annotation):
        return node
    folder = FilePath(node.origin.source).parent if node.origin.line else FilePath()
    path = str((folder / node.value).absolute())
    if re.search("[\ud800-\udfff]", path):
        message = f"the name of the folder {os.path.dirname(path)!a} is not UTF-8, so a run cannot store it"
        raise RecipeError([Problem(message, steps, node.origin)])
    return replace(node, value=path)


def is_path(annotation: Any) -> bool:
    """Whether an option is a path relative to the recipe."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return any(map(is_path, arguments))
    return any(isinstance(note, RelativeToRecipe) for note in getattr(annotation, "__metadata__", ()))


def check_default(name: str, annotation: Any, default: Any) -> Checked:
    """Check the default of an option.

    Raises:
        PartError: the annotation does not allow the default, or a recipe cannot contain it.
    """
    from pydantic import ValidationError
    from pydantic_core import PydanticSerializationError

    adapter = _adapter(annotation)
    try:
        plain = adapter.dump_python(default, mode="json", warnings=False)
        value = adapter.validate_json(json.dumps(plain, allow_nan=False), strict=True)
    except (ValidationError, PydanticSerializationError, TypeError, ValueError) as error:
        raise PartError(
            f"the default of its option {name!r}, {default!r}, is not a valid value of the option", option=name
        ) from error
    return Checked(value, plain)


@functools.cache
def _cached_adapter(annotation: Any) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    try:
        return TypeAdapter(annotation)
    except (PydanticUserError, TypeError) as error:
        raise PartError(f"a recipe cannot contain values of its option's type {render_type(annotation)}") from error


def _adapter(annotation: Any) -> "TypeAdapter[Any]":
    """The adapter of an annotation, cached if the annotation is hashable."""
    try:
        hash(annotation)
    except TypeError:
        return _cached_adapter.__wrapped__(annotation)
    return _cached_adapter(annotation)


def _problems(error: "ValidationError", annotation: Any, node: Node, path: Path) -> list[Problem]:
    """One problem for each of the innermost locations in the errors of all members of a union."""
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
    """The node at pydantic's location, its annotation, and its path; pydantic's names of union members are skipped."""
    walked: Path = ()
    for step in steps:
        child = dict(node.children()).get(step)
        if child is not None:
            node, annotation, walked = child, _item(annotation, step), (*walked, step)
    return node, annotation, walked


def _item(annotation: Any, step: int | str) -> Any:
    """The annotation of an item or entry; `Any` if it is unknown."""
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
    """The values of the `Literal`s in an annotation."""
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    if get_origin(annotation) in (Annotated, Union, UnionType):
        return [choice for argument in get_args(annotation) for choice in _choices(argument)]
    return []
