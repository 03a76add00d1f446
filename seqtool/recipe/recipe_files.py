"""Finds recipe files by path or bundled name, reads them, and merges them with the recipes that they extend."""

import re
from dataclasses import replace
from pathlib import Path

import seqtool
from seqtool.errors import Origin, Problem, RecipeError, nearest_name
from seqtool.recipe.loader import parse_text
from seqtool.recipe.merge import merge
from seqtool.recipe.nodes import Node
from seqtool.recipe.scalars import shorten
from seqtool.recipe.structure import TOP

MAX_BYTES = 1_000_000
MAX_PARENTS = 20
_MARKS = tuple(name for name in TOP if name != "name")
_SECTION = re.compile(rf"""(^|[{{,]\s*)["']?({"|".join(_MARKS)})["']?\s*:(\s|$)""", re.MULTILINE)
"""A key that only recipes have: at the start of a line, or within braces."""


def bundled_recipes() -> dict[str, Path]:
    """The bundled recipes by name: `align_60_20`, or `library/cells` for those in folders.

    They are in the installed package, or in the repository of an editable install.
    """
    package = Path(seqtool.__file__).parent
    folders = [package / "recipes"]
    if (package.parent / "pyproject.toml").is_file():
        folders.append(package.parent / "recipes")
    return {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for folder in folders
        for path in sorted(folder.rglob("*.yaml"), key=lambda path: (len(path.parts), path))
    }


def find_recipe(path_or_name: str | Path) -> Path:
    """The file of a recipe, given by its path or by the name of a bundled recipe.

    Raises:
        RecipeError: there is no such file or bundled recipe.
    """
    path = Path(path_or_name)
    bundled = bundled_recipes()
    if _exists(path) and not (path.is_dir() and str(path) in bundled):
        return path
    if str(path_or_name) not in bundled:
        beside = [file.as_posix() for file in _recipes_beside(path)]
        nearest = nearest_name(shorten(path.with_suffix("").as_posix()), bundled)
        nearest = next((file for file in beside if Path(file).stem == path.name), nearest)
        nearest = nearest or nearest_name(shorten(path.as_posix()), beside)
        problem = Problem("no such file", (), Origin(str(path)), f"a path, or {', '.join(bundled)}", nearest)
        raise RecipeError([problem])
    return bundled[str(path_or_name)]


def _recipes_beside(path: Path) -> list[Path]:
    """The YAML files in the folder of a path."""
    try:
        return sorted(file for file in path.parent.iterdir() if file.suffix in (".yaml", ".yml"))
    except (OSError, ValueError):
        return []


def read_text(path: Path) -> str:
    """The text of a recipe file.

    Raises:
        RecipeError: the path is not a file, or the file cannot be read, is too large, or is not UTF-8.
    """
    try:
        if not path.is_file():
            raise _unreadable(path, "not a file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(path, f"cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise RecipeError([Problem(f"larger than {MAX_BYTES} bytes", (), Origin(str(path), 1, 1))])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8-sig", errors="replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        message = f"not UTF-8: invalid byte 0x{error.object[error.start]:02x}"
        raise RecipeError([Problem(message, (), Origin(str(path), line, column))]) from error


def read_tree(path: Path, text: str) -> Node:
    """The tree of a recipe, merged with the recipes that it extends.

    Raises:
        RecipeError: a file cannot be read or is not a mapping, or `extends` is circular.
    """
    tree = _parse(path, text)
    trees = [tree]
    chain = [path]
    while (extends := (tree.entries or {}).get("extends")) is not None and extends.value is not None:
        if not isinstance(extends.value, str):
            raise RecipeError([Problem("expected the path of one recipe", ("extends",), extends.origin)])
        parent = chain[-1].parent / extends.value
        if not _exists(parent):
            message = f"there is no {shorten(extends.value)!r} beside {chain[-1].name}"
            near = nearest_name(shorten(parent.name), [file.name for file in chain[-1].parent.glob("*.yaml")])
            raise RecipeError([Problem(message, ("extends",), extends.origin, nearest=near)])
        if any(parent.samefile(file) for file in chain):
            names = " -> ".join(file.name for file in [*chain, parent])
            raise RecipeError([Problem(f"circular: {names}", ("extends",), extends.origin)])
        if len(chain) > MAX_PARENTS:
            raise RecipeError([Problem(f"more than {MAX_PARENTS} parents", ("extends",), extends.origin)])
        tree = _parse(parent, _read_parent(parent, extends))
        trees.append(tree)
        chain.append(parent)
    merged = trees.pop()
    while trees:
        merged = merge(merged, trees.pop())
    return replace(merged, value={name: node for name, node in (merged.entries or {}).items() if name != "extends"})


def _read_parent(parent: Path, extends: Node) -> str:
    """The text of a parent. It must have a section of recipes, because errors show lines of it."""
    try:
        text = read_text(parent)
    except RecipeError as error:
        problems = [replace(problem, path=("extends",), origin=extends.origin) for problem in error.problems]
        raise RecipeError(problems) from error
    if not _SECTION.search(text):
        message = f"{shorten(str(extends.value))!r} is not a recipe: no line starts with a section"
        raise RecipeError([Problem(message, ("extends",), extends.origin, ", ".join(_MARKS))])
    return text


def _parse(path: Path, text: str) -> Node:
    tree = parse_text(text, str(path))
    if tree is None:
        raise RecipeError([Problem("an empty file", (), Origin(str(path), 1, 1))])
    if tree.entries is None:
        raise RecipeError([Problem("expected a mapping, such as `name: my_recipe`", (), tree.origin)])
    return tree


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _unreadable(path: Path, why: str) -> RecipeError:
    return RecipeError([Problem(why, (), Origin(str(path)))])
