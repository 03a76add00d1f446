"""Loads recipes: resolves and checks every variant."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from seqtool.errors import MisuseError, Origin, Problem, RecipeError, nearest_name
from seqtool.recipe.document import Document, ModelOptions
from seqtool.recipe.fill import Filler
from seqtool.recipe.interpolation import interpolate
from seqtool.recipe.merge import merge
from seqtool.recipe.nodes import Node, Path, from_plain
from seqtool.recipe.overrides import Override, apply_override, check_variants, parse_override, suggest_variants
from seqtool.recipe.recipe_files import find_recipe, read_text, read_tree
from seqtool.recipe.reference import Reference
from seqtool.recipe.structure import SECTIONS, Structure, read_structure
from seqtool.recipe.train_options import TrainOptions

if TYPE_CHECKING:
    from seqtool.registry import Registry

DEFAULT = "default"
"""The name of the variant of a recipe without `variants`."""


@dataclass(frozen=True)
class Variant:
    """One of the experiments that a recipe compares.

    Attributes:
        data: the resolved recipe of this variant as plain data, with defaults and canonical names.
        origins: where each value of `data` comes from, by its path.
        registry: the registry of its parts.
        given: like `data`, but only the values that the recipe sets.
    """

    name: str
    data: dict[str, Any] = field(repr=False)
    origins: Mapping[Path, Origin] = field(repr=False)
    task: Reference
    embedding: Reference
    target_embedding: Reference
    encoder: Reference
    decoder: Reference
    train: TrainOptions
    registry: "Registry" = field(repr=False, compare=False)
    given: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True)
class Recipe:
    """A checked recipe.

    Attributes:
        text: the text of the file.
        overrides: the `--set` flags.
        variants: the variants by name; one named "default" if the recipe has no `variants`.
    """

    name: str
    path: FilePath
    text: str = field(repr=False)
    seeds: tuple[int, ...]
    overrides: tuple[str, ...]
    variants: dict[str, Variant]


def load_recipe(
    path_or_name: str | FilePath,
    *,
    registry: "Registry | None" = None,
    overrides: Sequence[str] = (),
    variants: Sequence[str] = (),
) -> Recipe:
    """Read a recipe, apply `--set` flags, and check each variant against the parts that it names.

    Args:
        path_or_name: a file, or the name of a bundled recipe.
        registry: the available parts; None means the installed plugins.
        overrides: `a.b=c` for all variants, `variants.NAME.a.b=c` for one.
        variants: load and check only these; default: all.

    Raises:
        RecipeError: all problems of the recipe. MisuseError: there is no such variant.
    """
    path = find_recipe(path_or_name)
    text = read_text(path)
    problems: list[Problem] = []
    flags = _parse_overrides(overrides, problems)
    structure = _read(read_tree(path, text), flags, problems)
    registry = registry or _installed()
    loaded = {}
    problems_by_variant: dict[str, list[Problem]] = {}
    trees: dict[str, Node | None] = {**structure.variants} or {DEFAULT: None}
    for name in select(variants, trees, "variant"):
        try:
            loaded[name] = _resolve(name, structure.shared, trees[name], flags, registry)
        except RecipeError as error:
            problems_by_variant[name] = error.problems
    problems += _merge_problems(problems_by_variant, list(loaded))
    if problems:
        raise RecipeError(problems)
    document = next(iter(loaded.values())).data
    return Recipe(document["name"], path, text, tuple(document["seeds"]), tuple(overrides), loaded)


def select(requested: Sequence[Any], available: Iterable[Any], what: str) -> list[Any]:
    """The requested items of a recipe; all available items if none is requested.

    Raises:
        MisuseError: an item is not available.
    """
    known = list(available)
    for item in requested:
        if item not in known:
            names = list(map(str, known))
            raise MisuseError(
                f"the recipe has no {what} {item!r}", allowed=names, nearest=nearest_name(str(item), names)
            )
    return list(dict.fromkeys(requested)) or known


def reference(kind: str | type, value: Any, registry: "Registry", origin: Origin | None = None) -> Reference:
    """The part that a Python value describes as in a recipe. Its slots may contain callables that build parts.

    Args:
        kind: a kind, if the value names a part by `type`; or a class, if the value is a mapping of its options.
        origin: where the value comes from, for error messages.

    Raises:
        RecipeError: all problems of the value.
    """
    origin = origin or Origin(f"make {kind if isinstance(kind, str) else kind.__name__}")
    filler = Filler(registry)
    node = from_plain(value, origin)
    return filler.part(kind, node, ()) if isinstance(kind, str) else filler.fixed(kind, node, ())


def _parse_overrides(overrides: Sequence[str], problems: list[Problem]) -> list[Override]:
    flags = []
    for override in overrides:
        try:
            flags.append(parse_override(override))
        except RecipeError as error:
            problems += error.problems
    return flags


def _read(tree: Node, flags: list[Override], problems: list[Problem]) -> Structure:
    """The first pass: applies the flags that do not concern the sections of variants, and reads the structure."""
    tree = _apply(tree, [flag for flag in flags if not _concerns_variants(flag)], problems)
    structure = read_structure(tree, problems)
    problems += check_variants(flags, list(structure.variants))
    return structure


def _apply(tree: Node, flags: list[Override], problems: list[Problem]) -> Node:
    for flag in flags:
        try:
            tree = apply_override(tree, flag)
        except RecipeError as error:
            problems += error.problems
    return tree


def _concerns_variants(flag: Override) -> bool:
    return bool(flag.variant) or flag.steps[0] in SECTIONS


def _resolve(name: str, shared: Node, tree: Node | None, flags: list[Override], registry: "Registry") -> Variant:
    """Resolve one variant: merge it with the shared tree, apply its flags, interpolate, and fill its slots."""
    merged = merge(shared, tree) if tree else shared
    own_flags = [flag for flag in flags if _concerns_variants(flag) and flag.variant in ("", name)]
    problems: list[Problem] = []
    merged, interpolation_problems, unresolved = interpolate(_apply(merged, own_flags, problems))
    problems += interpolation_problems
    filler = Filler(registry)
    try:
        resolved = filler.fixed(Document, merged, ())
    except RecipeError as error:
        problems += [problem for problem in error.problems if problem.origin not in unresolved]
    if problems:
        raise RecipeError(problems)
    document: Document = resolved()
    model: ModelOptions = document.model()
    return Variant(
        name,
        dict(resolved.plain),
        filler.origins,
        task=_filled(document.task),
        embedding=_filled(model.embedding),
        target_embedding=_filled(model.target_embedding or model.embedding),
        encoder=_filled(model.encoder),
        decoder=_filled(model.decoder),
        train=document.train(),
        registry=registry,
        given=merged.plain(),
    )


def _filled(slot: Any) -> Reference:
    assert isinstance(slot, Reference), "slots of a recipe contain references"
    return slot


def _merge_problems(problems_by_variant: dict[str, list[Problem]], valid: list[str]) -> list[Problem]:
    """The problems of all variants without duplicates. Problems of some variants only have the path of the first."""
    first: dict[tuple[Origin | None, str], tuple[str, Problem]] = {}
    count: dict[tuple[Origin | None, str], int] = {}
    for name, problems in problems_by_variant.items():
        for problem in problems:
            key = problem.origin, problem.message
            first.setdefault(key, (name, problem))
            count[key] = count.get(key, 0) + 1
    num_variants = len(problems_by_variant) + len(valid)
    return [
        problem
        if count[key] >= num_variants
        else suggest_variants(replace(problem, path=("variants", name, *problem.path)), valid)
        for key, (name, problem) in first.items()
    ]


def _installed() -> "Registry":
    from seqtool.registry import default_registry

    return default_registry()
