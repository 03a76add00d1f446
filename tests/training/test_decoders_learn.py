"""Every decoder with attention learns the alignment task."""

from pathlib import Path

import pytest

import seqtool

RECIPE = Path(__file__).parents[2] / "recipes" / "library" / "decoders.yaml"
VARIANTS = (
    "attend_before",
    "attend_after",
    "attend_after_fed",
    "attend_inside",
    "pointer",
    "pointer_generator",
)


def test_there_is_a_variant_for_each_decoder() -> None:
    assert set(VARIANTS) == set(seqtool.load_recipe(RECIPE).variants)


@pytest.mark.long
@pytest.mark.parametrize("variant", VARIANTS)
def test_alignment_30_10_within_3000_steps(tmp_path: Path, variant: str) -> None:
    result = seqtool.run(RECIPE, out=tmp_path / "run", variants=[variant], device="cpu")
    figures = result["variants"][variant]["seeds"]["0"]
    assert figures["steps"] <= 3000
    assert figures["token_accuracy"] >= 0.99
