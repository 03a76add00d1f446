"""The recipes of `recipes/tasks` reach what they say."""

from pathlib import Path

import pytest

import seqtool

FOLDER = Path(__file__).parents[2] / "recipes" / "tasks"


@pytest.mark.long
@pytest.mark.parametrize("recipe", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_it_learns(tmp_path: Path, recipe: Path) -> None:
    result = seqtool.run(recipe, out=tmp_path / "run", device="cpu")
    (variant,) = result["variants"].values()
    assert variant["seeds"]["0"]["sequence_accuracy"] >= 0.98
