"""The recipes of recipes/library: every part has one, and each of them solves the alignment task."""

from pathlib import Path

import pytest

import seqtool
from seqtool.registry import default_registry

FOLDER = Path(__file__).parents[2] / "recipes" / "library"
KINDS = {"cells": "cell", "decoders": "decoder", "normalizers": "normalizer", "scorers": "scorer"}
OTHERS = {
    "decoder": {"plain", "attend_only"},  # no attention: failures; no memory of where it was: recipes/tasks
    "normalizer": {"exp", "sigmoid", "local_m"},  # exp is gmm's; the other two do not fit this task
    "scorer": {"gmm", "dense", "feed_forward", "location"},  # all but the last: failures
}
VARIANTS = [
    pytest.param(name, variant, id=f"{name}-{variant}")
    for name in KINDS
    for variant in seqtool.load_recipe(FOLDER / f"{name}.yaml").variants
]


@pytest.mark.parametrize("name", KINDS)
def test_every_part_has_its_variant(name: str) -> None:
    parts = {part.name for part in default_registry().parts(KINDS[name]) if part.plugin.distribution == "seqtool"}
    variants = set(seqtool.load_recipe(FOLDER / f"{name}.yaml").variants)
    assert variants - {"attend_after_fed"} == parts - OTHERS.get(KINDS[name], set())


@pytest.mark.long
@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_alignment_is_solved(tmp_path: Path, name: str, variant: str) -> None:
    result = seqtool.run(FOLDER / f"{name}.yaml", out=tmp_path / "run", variants=[variant], device="cpu")
    assert result["variants"][variant]["seeds"]["0"]["token_accuracy"] >= 0.99
