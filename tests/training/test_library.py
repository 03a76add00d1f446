"""The recipes of recipes/library: every part has one, and each of them solves the alignment task."""

from pathlib import Path

import pytest
from registered import names

import seqtool

FOLDER = Path(__file__).parents[2] / "recipes" / "library"
KINDS = {"cells": "cell", "decoders": "decoder", "normalizers": "normalizer", "scorers": "scorer"}
VARIANTS = [
    pytest.param(name, variant, id=f"{name}-{variant}")
    for name in KINDS
    for variant in seqtool.load_recipe(FOLDER / f"{name}.yaml").variants
]


@pytest.mark.parametrize("name", KINDS)
def test_a_variant_is_named_after_the_part_that_it_trains(name: str) -> None:
    variants = set(seqtool.load_recipe(FOLDER / f"{name}.yaml").variants)
    assert variants - {"attend_after_fed"} <= set(names(KINDS[name]))


@pytest.mark.long
@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_alignment_is_solved(tmp_path: Path, name: str, variant: str) -> None:
    result = seqtool.run(FOLDER / f"{name}.yaml", out=tmp_path / "run", variants=[variant], device="cpu")
    assert result["variants"][variant]["seeds"]["0"]["token_accuracy"] >= 0.99
