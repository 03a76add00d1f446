"""The tree of a recipe: every value with its location."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from seqtool.errors import Origin
from seqtool.recipe.scalars import Scalar, shorten

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """A value, its location, and the location of its key (for list items and the root, of the value itself).

    The value is a callable only for a slot that was filled in Python.
    """

    value: "Scalar | dict[str, Node] | list[Node] | Callable[..., Any]"
    origin: Origin
    key: Origin

    @property
    def entries(self) -> "dict[str, Node] | None":
        """The entries of a mapping; None for other values."""
        return self.value if isinstance(self.value, dict) else None

    def children(self) -> "Iterator[tuple[str | int, Node]]":
        """The keys or indices of the children, with the children."""
        if isinstance(self.value, dict):
            yield from self.value.items()
        elif isinstance(self.value, list):
            yield from enumerate(self.value)

    def plain(self) -> Any:
        """The value without locations."""
        if isinstance(self.value, dict):
            return {name: node.plain() for name, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


def paths_of(name: str, node: Node, path: Path = ()) -> Iterator[Path]:
    """The paths of all entries with this name below a node at `path`."""
    for step, child in node.children():
        if step == name:
            yield (*path, step)
        yield from paths_of(name, child, (*path, step))


def from_plain(value: Any, origin: Origin) -> Node:
    """The tree of a Python value, with one location for all nodes."""
    if isinstance(value, Mapping):
        return Node({str(name): from_plain(inner, origin) for name, inner in value.items()}, origin, origin)
    if isinstance(value, list | tuple):
        return Node([from_plain(inner, origin) for inner in value], origin, origin)
    return Node(value, origin, origin)


def relocate(node: Node, origin: Origin) -> Node:
    """The tree with one location for all nodes."""
    if isinstance(node.value, dict):
        return Node({name: relocate(inner, origin) for name, inner in node.value.items()}, origin, origin)
    if isinstance(node.value, list):
        return Node([relocate(inner, origin) for inner in node.value], origin, origin)
    return replace(node, origin=origin, key=origin)


def describe_node(node: Node) -> str:
    """A short text of the value for messages: `'abc'`, `true`, `null`, `the list [1, 2]`."""
    if isinstance(node.value, dict):
        return f"the mapping {shorten(json.dumps(node.plain(), default=repr))}"
    if isinstance(node.value, list):
        return f"the list {shorten(json.dumps(node.plain(), default=repr))}"
    if node.value is None or isinstance(node.value, bool):
        return json.dumps(node.value)
    if isinstance(node.value, str):
        return (
            f"the string {shorten(repr(node.value))}" if _looks_like_number(node.value) else shorten(repr(node.value))
        )
    return shorten(repr(node.value))


def _looks_like_number(text: str) -> bool:
    return text.lstrip("+-.")[:1].isdigit()
