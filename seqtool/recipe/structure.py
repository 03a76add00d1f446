"""The first pass over a recipe: sections, seeds and variants, before parts are resolved."""

import re
from dataclasses import dataclass, replace

from seqtool.errors import Origin, Problem, RecipeError, dotted, nearest_name
from seqtool.recipe.document import ModelOptions
from seqtool.recipe.nodes import Node, describe_node, paths_of
from seqtool.recipe.schema import schema_of
from seqtool.recipe.train_options import TrainOptions

VERSION = 1
SECTIONS = ("task", "model", "train")
TOP = ("seqtool", "name", "extends", "seeds", *SECTIONS, "variants")
MAX_SEEDS = 10_000
MAX_VARIANTS = 200
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_VARIANT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}")


@dataclass(frozen=True)
class Structure:
    """The shared sections of a recipe, and the sections of each variant, to be merged into them."""

    shared: Node
    variants: dict[str, Node]


def read_structure(root: Node, problems: list[Problem]) -> Structure:
    """Separate shared and variant sections. Problems are appended to `problems`, and invalid sections are omitted.

    Raises:
        RecipeError: the recipe has another version, so nothing else can be checked.
    """
    entries = _known(root.entries or {}, TOP, "a recipe", (), problems, root)
    _check_version(entries.get("seqtool"))
    name = entries.get("name")
    if name and isinstance(name.value, str) and not _NAME.fullmatch(name.value):
        allowed = "letters, digits, '.', '_' and '-', not '.' or '-' first"
        problems.append(
            Problem(f"{describe_node(name)} is not a valid recipe name", ("name",), name.origin, allowed=allowed)
        )
    entries["seeds"] = _seeds(entries.get("seeds"), problems)
    variants = _variants(entries.pop("variants", None), problems)
    return Structure(replace(root, value=entries), variants)


def _check_version(node: Node | None) -> None:
    if node is not None and (node.value != VERSION or isinstance(node.value, bool)):
        message = f"this seqtool reads recipes of version {VERSION}, not {describe_node(node)}"
        raise RecipeError([Problem(message, ("seqtool",), node.origin, allowed=f"seqtool: {VERSION}")])


def _known(
    entries: dict[str, Node],
    names: tuple[str, ...],
    owner: str,
    path: tuple[str, ...],
    problems: list[Problem],
    root: Node,
) -> dict[str, Node]:
    """The entries with known names. A misspelt name is a problem, and its entry is read under the nearest name."""
    known = {name: node for name, node in entries.items() if name in names}
    for name, node in entries.items():
        if name not in names:
            nearest, options = nearest_name(name, names), _option_paths(name, root)
            message, allowed = f"{owner} has no section {name!r}", ", ".join(names)
            if options and node.key.line:
                message += f"; an option of {options[0].rpartition('.')[0]} must be indented below it"
            shown = options[0] if options else nearest
            problems.append(Problem(message, (*path, name), node.key, ", ".join(options[1:]) or allowed, shown))
            if nearest and not options:
                known.setdefault(nearest, node)
    return known


def _option_paths(name: str, root: Node) -> list[str]:
    """The paths of options with this name: of `train` and `model`, and those that the recipe sets, shortest first."""
    sections: dict[str, type] = {"train": TrainOptions, "model": ModelOptions}
    found = [f"{section}.{name}" for section, cls in sections.items() if name in schema_of(cls).options]
    below = {section: root.entries[section] for section in SECTIONS if root.entries and section in root.entries}
    given = [dotted(path) for section, node in below.items() for path in paths_of(name, node, (section,))]
    return list(dict.fromkeys([*found, *sorted(given, key=lambda path: path.count("."))]))


def _seeds(node: Node | None, problems: list[Problem]) -> Node:
    """The list of seeds, from a list or `{count: n}`. The items of a list are checked in the second pass."""
    if node is None or node.value is None:
        origin = Origin("default of a recipe")
        return _count(Node(None, origin, origin), 1)
    if node.entries is not None:
        count = node.entries.get("count")
        if count is None or len(node.entries) > 1:
            _refuse_seeds(node, "expected a list of integers, or {count: n}", problems)
        elif not isinstance(count.value, int) or isinstance(count.value, bool) or not 1 <= count.value <= MAX_SEEDS:
            _refuse_seeds(count, f"expected int >= 1 and <= {MAX_SEEDS}, got {describe_node(count)}", problems)
        else:
            return _count(count, count.value)
        return _count(node, 1)
    if isinstance(node.value, list):
        numbers = [item for item in node.value if isinstance(item.value, int)]
        first = {item.value: item for item in reversed(numbers)}
        twice = next((item for item in numbers if first[item.value] is not item), None)
        if twice is not None:
            _refuse_seeds(twice, f"duplicate seed {twice.value}", problems)
    return node


def _count(node: Node, count: int) -> Node:
    return Node([Node(seed, node.origin, node.key) for seed in range(count)], node.origin, node.key)


def _refuse_seeds(node: Node, message: str, problems: list[Problem]) -> None:
    problems.append(Problem(message, ("seeds",), node.origin))


def _variants(node: Node | None, problems: list[Problem]) -> dict[str, Node]:
    """The sections of each variant, in order. A variant that is `null` is removed, for example one from a parent."""
    if node is None or node.value is None:
        return {}
    if node.entries is None:
        problems.append(Problem(f"expected a mapping of names, got {describe_node(node)}", ("variants",), node.origin))
        return {}
    if len(node.entries) > MAX_VARIANTS:
        raise RecipeError([Problem(f"more than {MAX_VARIANTS} variants", ("variants",), node.key)])
    variants = {}
    for name, variant in node.entries.items():
        path = ("variants", name)
        if not _VARIANT.fullmatch(name):
            allowed = "letters, digits, '_' and '-', at most 100"
            problems.append(Problem(f"{name!r} is not a valid variant name", path, variant.key, allowed=allowed))
        elif variant.entries is not None:
            sections = _known(variant.entries, SECTIONS, "a variant", path, problems, variant)
            variants[name] = replace(variant, value=dict(sections))
        elif variant.value is not None:
            problems.append(
                Problem(f"expected a mapping of sections, got {describe_node(variant)}", path, variant.origin)
            )
    return variants
