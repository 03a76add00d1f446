"""Interpolation: `${a.b}` is replaced by the value at `a.b` of the same variant."""

import re
from dataclasses import replace

from seqtool.errors import Origin, Problem, RecipeError, nearest_name
from seqtool.recipe.loader import MAX_DEPTH, MAX_NODES
from seqtool.recipe.nodes import Node, Path
from seqtool.recipe.scalars import shorten

_WHOLE = re.compile(r"\$\{([^${}]+)\}")
_SHOWN = 5


def interpolate(root: Node) -> tuple[Node, list[Problem], set[Origin]]:
    """Replace every `${a.b}`. Returns the resolved tree, the problems, and the origins that could not be resolved.

    References that could not be resolved are null in the tree; further problems at their origins are not reported.

    Raises:
        RecipeError: the resolved recipe is too large.
    """
    interpolation = _Interpolation(root)
    resolved = interpolation.resolve(root, (), ())
    return resolved, interpolation.problems, interpolation.unresolved


class _Interpolation:
    def __init__(self, root: Node) -> None:
        self.root = root
        self.problems: list[Problem] = []
        self.unresolved: set[Origin] = set()
        self.count = 0

    def resolve(self, node: Node, path: Path, trail: tuple[str, ...]) -> Node:
        """Resolve a node. `trail` contains the references that led to it, to detect cycles."""
        self.count += 1
        if isinstance(node.value, str) and "${" in node.value:
            return self._reference(node, node.value, path, trail)
        if isinstance(node.value, dict):
            return replace(node, value={k: self.resolve(v, (*path, k), trail) for k, v in node.value.items()})
        if isinstance(node.value, list):
            return replace(node, value=[self.resolve(v, (*path, i), trail) for i, v in enumerate(node.value)])
        return node

    def _reference(self, node: Node, text: str, path: Path, trail: tuple[str, ...]) -> Node:
        match = _WHOLE.fullmatch(text)
        if not match:
            message = f"{shorten(text)!r}: ${{...}} must be the whole value, such as ${{task.symbols}}"
            return self._refuse(node, path, message)
        name = match.group(1).strip()
        if name in trail:
            return self._refuse(node, path, " -> ".join(map(shorten, (*trail, name)[-_SHOWN:])) + " is circular")
        if len(path) + len(trail) > 2 * MAX_DEPTH or self.count > MAX_NODES:
            message = "nested ${...} make the recipe too large"
            raise RecipeError([Problem(message, path, node.origin)])
        target = self._find(node, name, path)
        if target is None:
            return replace(node, value=None)
        before = len(self.problems)
        resolved = self.resolve(target, path, (*trail, name))
        if len(self.problems) > before:
            self.unresolved.add(node.origin)
        return replace(resolved, origin=node.origin, key=node.key)

    def _find(self, node: Node, name: str, path: Path) -> Node | None:
        here = self.root
        for step in name.split("."):
            known = {str(key): child for key, child in here.children()}
            if step not in known:
                message = f"${{{shorten(name)}}}: there is no {shorten(step)!r} in this recipe"
                self._refuse(node, path, message, nearest_name(shorten(step), known))
                return None
            here = known[step]
        return here

    def _refuse(self, node: Node, path: Path, message: str, nearest: str = "") -> Node:
        self.problems.append(Problem(message, path, node.origin, nearest=nearest))
        self.unresolved.add(node.origin)
        return replace(node, value=None)
