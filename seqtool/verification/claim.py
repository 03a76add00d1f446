"""Claims: a recipe, the published numbers, and the bands that our numbers must lie in. One YAML file each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Interval, MinLen

import seqtool
from seqtool.errors import MisuseError, Origin, PartError, Problem, RecipeError, nearest_name
from seqtool.recipe import Recipe, Reference, load_recipe
from seqtool.recipe.document import MAX_SEED
from seqtool.recipe.fill import Filler
from seqtool.recipe.recipe_files import bundled_recipes, read_text, read_tree
from seqtool.registry import Registry
from seqtool.registry.options import Factory, Size, SlotKind

Text = Annotated[str, MinLen(1)]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One measured number of each seed, and its band.

    Args:
        name: a name for tables.
        variant: the variant; may be null if the recipe has only one.
        result: a key of the seed's result.json, such as `train_loss`, the mean over the last 20 steps. Either this or
            `metric` is required.
        metric: a measure of `seqtool evaluate`, with the next four options.
        split, search, checkpoint: as for `seqtool evaluate`; a null search is the recipe's.
        batches: the most batches of the split; null for all, or for the recipe's number if the split is endless.
        published: the published number; null if there is none.
        over: whether "each" seed or the "mean" of all seeds must lie in the band.
        least, most: the inclusive bounds of the band. Without bounds the number is only reported.
    """

    name: Text
    variant: str | None = None
    result: str | None = None
    metric: str | None = None
    split: Literal["train", "valid", "test"] = "test"
    search: Annotated[Factory[Any], SlotKind("search")] | None = None
    checkpoint: Literal["best", "last"] = "last"
    batches: Size | None = None
    published: float | None = None
    over: Literal["each", "mean"] = "each"
    least: float | None = None
    most: float | None = None

    def __post_init__(self) -> None:
        if (self.result is None) == (self.metric is None):
            raise PartError("a measure takes exactly one of `result` and `metric`", option="metric")
        if self.least is not None and self.most is not None and self.least > self.most:
            raise PartError(f"least, {self.least}, is above most, {self.most}", option="least")

    @property
    def has_band(self) -> bool:
        """Whether the measure has a band."""
        return self.least is not None or self.most is not None

    @property
    def band(self) -> str:
        """The band as text, such as ">= 0.98" or "mean 0.05 to 0.3"."""
        if not self.has_band:
            return "reported"
        ends = ">=" if self.most is None else "<=" if self.least is None else ""
        numbers = " to ".join(format(end, "g") for end in (self.least, self.most) if end is not None)
        return f"{'mean ' if self.over == 'mean' else ''}{ends}{' ' if ends else ''}{numbers}"


@dataclass(frozen=True, kw_only=True)
class Document:
    """The sections of a claim.

    Args:
        title: the claim in one line.
        published: the published result, in words.
        source: the publication.
        recipe: the recipe with our schedule: the name of a bundled recipe, or a path relative to the claim.
        as_published: the recipe with exactly the published schedule; null if there is none.
        seeds: the seeds to train.
        note: further information, such as differences between the set-ups.
        measures: what to measure.
    """

    seqtool: Literal[1]
    title: Text
    published: Text
    source: Text
    recipe: Text
    as_published: Text | None = None
    seeds: Annotated[list[Annotated[int, Interval(ge=0, le=MAX_SEED)]], MinLen(1)]
    note: str = ""
    measures: Annotated[list[Factory[Measure]], MinLen(1)]

    def __post_init__(self) -> None:
        twice = next((seed for i, seed in enumerate(self.seeds) if seed in self.seeds[:i]), None)
        if twice is not None:
            raise PartError(f"seed {twice} is listed twice", option="seeds")


@dataclass(frozen=True)
class Claim:
    """A valid claim.

    Attributes:
        measures: the measures of the document.
        references: the position of each option of each measure in the file.
        recipe, as_published: the recipe files.
    """

    name: str
    document: Document = field(repr=False)
    measures: tuple[Measure, ...]
    references: tuple[Reference, ...] = field(repr=False)
    recipe: Path
    as_published: Path | None

    def load_recipe(self, as_published: bool, registry: Registry) -> Recipe:
        """Load the recipe with our schedule, or with the published one.

        Raises:
            MisuseError: the claim has no published schedule. RecipeError: the recipe is invalid.
        """
        path = self.as_published if as_published else self.recipe
        if path is None:
            note = f"\n    {self.document.note}" if self.document.note else ""
            raise MisuseError(f"{self.name} has no published schedule: its recipe is our own{note}")
        return load_recipe(path, registry=registry)

    def variant_of(self, measure: Measure, recipe: Recipe) -> str:
        """The variant of a measure.

        Raises:
            RecipeError: the recipe has no such variant, or has several and the measure names none.
        """
        if measure.variant is None and len(recipe.variants) == 1:
            return next(iter(recipe.variants))
        if measure.variant not in recipe.variants:
            reference = self.references[self.measures.index(measure)]
            names = ", ".join(recipe.variants)
            what = f"the recipe has no variant {measure.variant!r}" if measure.variant else "a variant is required"
            near = nearest_name(measure.variant or "", recipe.variants)
            raise RecipeError([self._problem(reference, "variant", what, names, near)])
        return measure.variant

    def check_measure(self, measure: Measure, metrics: Sequence[str], results: Sequence[str]) -> None:
        """Check that the measure's metric is one of `metrics`, or its result one of `results`.

        Raises:
            RecipeError: it is not, with its position in the claim.
        """
        for option, name, names, subject in (
            ("metric", measure.metric, metrics, "seqtool evaluate measures"),
            ("result", measure.result, results, "a run of this recipe writes"),
        ):
            if name is not None and name not in names:
                reference = self.references[self.measures.index(measure)]
                near = nearest_name(name, names)
                raise RecipeError([self._problem(reference, option, f"{subject} no {name!r}", ", ".join(names), near)])

    @staticmethod
    def _problem(reference: Reference, option: str, message: str, allowed: str, nearest: str) -> Problem:
        origin = reference.origins[option]
        return Problem(
            message, (*reference.path, option), origin if origin.line else reference.origin, allowed, nearest
        )


def bundled_claims() -> dict[str, Path]:
    """The paths of the claims included in seqtool, by name."""
    folder = Path(seqtool.__file__).parent / "claims"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_claim(name_or_path: str | Path, registry: Registry) -> Claim:
    """Load a claim.

    Args:
        name_or_path: the name of a bundled claim, or a file.

    Raises:
        MisuseError: there is no such claim. RecipeError: the claim is invalid; lists all problems.
    """
    bundled = bundled_claims()
    path = bundled.get(str(name_or_path), Path(name_or_path))
    if not path.is_file():
        nearest = nearest_name(str(name_or_path), bundled)
        raise MisuseError(f"no such claim: {str(name_or_path)!r}", allowed=bundled, nearest=nearest)
    tree = read_tree(path, read_text(path))
    whole = Filler(registry).fixed(Document, tree, (), "a claim")
    document: Document = whole()
    references: list[Any] = list(document.measures)
    measures = tuple(reference() for reference in references)
    files = [_recipe(path, name, document, whole.origins) for name in ("recipe", "as_published")]
    assert files[0] is not None
    return Claim(path.stem, document, measures, tuple(references), files[0], files[1])


def _recipe(path: Path, option: str, document: Document, origins: Any) -> Path | None:
    """The file of a recipe that a claim names: relative to the claim, or else a bundled recipe."""
    name: str | None = getattr(document, option)
    if name is None:
        return None
    relative, bundled = path.parent / name, bundled_recipes()
    if relative.is_file():
        return relative
    if name not in bundled:
        origin: Origin = origins[option]
        nearest = nearest_name(name, bundled)
        raise RecipeError([Problem(f"there is no recipe {name!r}", (option,), origin, nearest=nearest)])
    return bundled[name]
