"""Every cell, in encoder and decoder, solves alignment 30 -> 10."""

from pathlib import Path

import pytest

import seqtool

RECIPE = Path(__file__).parents[2] / "recipes/library/cells.yaml"
VARIANTS = sorted(seqtool.load_recipe(RECIPE).variants)


def test_every_cell_has_its_variant() -> None:
    found = {part.name for part in seqtool.registry.default_registry().parts("cell")}
    assert found == set(VARIANTS)


@pytest.mark.long
@pytest.mark.parametrize("variant", VARIANTS)
def test_cell_solves_alignment(tmp_path: Path, variant: str) -> None:
    result = seqtool.run(RECIPE, out=tmp_path / "run", variants=[variant], device="cpu")
    assert result["variants"][variant]["seeds"]["0"]["token_accuracy"] >= 0.99
