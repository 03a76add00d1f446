"""The recipes in `recipes/tasks` reach the accuracy that their comments state."""

from pathlib import Path

import pytest

import seqtool
from seqtool.build.check import check

FOLDER = Path(__file__).parents[2] / "recipes" / "tasks"
RECIPES = sorted(FOLDER.glob("*.yaml"))
BOUNDS = {
    "adding_50": 0.99,
    "adding_100": 0.99,
    "multiplication_50": 0.99,
    "reverse_joey": 0.9,
    "transduction_copy": 0.9,
    "transduction_reverse": 0.9,
}
"""The required accuracy of a recipe; default 0.98."""


@pytest.mark.long
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recipe_learns(tmp_path: Path, recipe: Path) -> None:
    result = seqtool.run(recipe, out=tmp_path / "run", seeds=[0], device="cpu")
    (variant,) = result["variants"].values()
    (seed,) = variant["seeds"].values()
    reached = seed["within"] if "within" in seed else seed["sequence_accuracy"]
    assert reached >= BOUNDS.get(recipe.stem, 0.98)


def test_every_bound_belongs_to_a_recipe() -> None:
    assert set(BOUNDS) <= {recipe.stem for recipe in RECIPES}


@pytest.mark.parametrize("recipe", sorted(FOLDER.rglob("*.yaml")), ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_recipe_can_be_trained(recipe: Path) -> None:
    check(seqtool.load_recipe(recipe))
