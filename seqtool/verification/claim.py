"""Claims: a recipe, what was published, and the bands that our numbers must lie in. One YAML file each."""

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
    """One number of each seed, and where it must lie.

    Args:
        name: what it is called.
        variant: of which variant; null where the recipe has only one.
        result: a key of the seed's result.json, such as `train_loss`, the mean over the last 20 steps; or else
        metric: a measure of `seqtool evaluate`, with the next four.
        split, search, checkpoint: as of `seqtool evaluate`; null for the recipe's search.
        batches: at most so many of the split; null for all, or the recipe's number where they have no end.
        published: the number that was published, null where there is none.
        over: what must lie in the band: "each" seed, or their "mean".
        least, most: the band, its ends included. Without either the number is reported, and nothing asked of it.
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
            raise PartError("a measure takes one of `result` and `metric`", option="metric")
        if self.least is not None and self.most is not None and self.least > self.most:
            raise PartError(f"nothing lies between {self.least} and {self.most}", option="least")

    @property
    def asks(self) -> bool:
        """Whether there is a band."""
        return self.least is not None or self.most is not None

    @property
    def band(self) -> str:
        """The band in words."""
        if not self.asks:
            return "reported"
        ends = ">=" if self.most is None else "<=" if self.least is None else ""
        numbers = " to ".join(format(end, "g") for end in (self.least, self.most) if end is not None)
        return f"{'mean ' if self.over == 'mean' else ''}{ends}{' ' if ends else ''}{numbers}"


@dataclass(frozen=True, kw_only=True)
class Document:
    """The sections of a claim.

    Args:
        title: what is claimed, in a line.
        published: what was published, in words. source: by whom.
        recipe: our schedule: the name of a bundled recipe, or a path beside the claim.
        as_published: the recipe with the schedule of the source to the letter, where there is one.
        seeds: those that the claim is about.
        note: what else a reader must know, such as where our set-up differs.
        measures: what is measured.
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
            raise PartError(f"seed {twice} stands twice", option="seeds")


@dataclass(frozen=True)
class Claim:
    """A claim that was read and found right in itself.

    Attributes:
        measures: those of the document. places: where each option of each measure stands.
        recipe, as_published: the files.
    """

    name: str
    document: Document = field(repr=False)
    measures: tuple[Measure, ...]
    places: tuple[Reference, ...] = field(repr=False)
    recipe: Path
    as_published: Path | None

    def load_recipe(self, as_published: bool, registry: Registry) -> Recipe:
        """The recipe of our schedule, or of the published one.

        Raises:
            MisuseError: the claim has none of the latter. RecipeError: the recipe is wrong.
        """
        path = self.as_published if as_published else self.recipe
        if path is None:
            note = f"\n    {self.document.note}" if self.document.note else ""
            raise MisuseError(f"{self.name} has no schedule as published: its recipe is our own{note}")
        return load_recipe(path, registry=registry)

    def variant_of(self, measure: Measure, recipe: Recipe) -> str:
        """The variant that a measure is about. Raises: see `fits`."""
        if measure.variant is None and len(recipe.variants) == 1:
            return next(iter(recipe.variants))
        if measure.variant not in recipe.variants:
            place = self.places[self.measures.index(measure)]
            names = ", ".join(recipe.variants)
            what = f"the recipe has no variant {measure.variant!r}" if measure.variant else "say which variant"
            near = nearest_name(measure.variant or "", recipe.variants)
            raise RecipeError([self._problem(place, "variant", what, names, near)])
        return measure.variant

    def check_figure(self, measure: Measure, metrics: Sequence[str], results: Sequence[str]) -> None:
        """Refuse a metric that is not among those of the recipe's task, and a result that no run writes.

        Raises:
            RecipeError: it is none, with its place in the claim.
        """
        for option, name, names, who in (
            ("metric", measure.metric, metrics, "evaluate measures"),
            ("result", measure.result, results, "a run of this recipe writes"),
        ):
            if name is not None and name not in names:
                place = self.places[self.measures.index(measure)]
                near = nearest_name(name, names)
                raise RecipeError([self._problem(place, option, f"{who} no {name!r}", ", ".join(names), near)])

    @staticmethod
    def _problem(place: Reference, option: str, message: str, allowed: str, nearest: str) -> Problem:
        origin = place.origins[option]
        return Problem(message, (*place.path, option), origin if origin.line else place.origin, allowed, nearest)


def bundled_claims() -> dict[str, Path]:
    """The claims that come with seqtool, by name."""
    folder = Path(seqtool.__file__).parent / "claims"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_claim(name_or_path: str | Path, registry: Registry) -> Claim:
    """Read a claim.

    Args:
        name_or_path: the name of one that comes with seqtool, or a file.

    Raises:
        MisuseError: there is none. RecipeError: all that is wrong with it.
    """
    bundled = bundled_claims()
    path = bundled.get(str(name_or_path), Path(name_or_path))
    if not path.is_file():
        nearest = nearest_name(str(name_or_path), bundled)
        raise MisuseError(f"no such claim: {str(name_or_path)!r}", allowed=bundled, nearest=nearest)
    tree = read_tree(path, read_text(path))
    reference = Filler(registry).fixed(Document, tree, (), "a claim")
    document: Document = reference()
    places: list[Any] = list(document.measures)
    measures = tuple(place() for place in places)
    files = [_recipe(path, name, document, reference.origins) for name in ("recipe", "as_published")]
    assert files[0] is not None
    return Claim(path.stem, document, measures, tuple(places), files[0], files[1])


def _recipe(path: Path, option: str, document: Document, origins: Any) -> Path | None:
    """The file of a recipe that a claim names: one beside it, or else a bundled one, wherever one works."""
    name: str | None = getattr(document, option)
    if name is None:
        return None
    beside, bundled = path.parent / name, bundled_recipes()
    if beside.is_file():
        return beside
    if name not in bundled:
        origin: Origin = origins[option]
        nearest = nearest_name(name, bundled)
        raise RecipeError([Problem(f"there is no recipe {name!r}", (option,), origin, nearest=nearest)])
    return bundled[name]
