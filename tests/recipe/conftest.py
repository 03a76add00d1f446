"""Fixtures of the recipe tests."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from seqtool.errors import Problem, RecipeError
from seqtool.recipe import Recipe, load_recipe
from seqtool.registry import Registry, discover

WHOLE = """\
seqtool: 1
name: small
task: {type: copy, length: 3}
model:
  decoder:
    type: attend_before
    cell: {type: lstm, hidden_size: 3}
    attention: {scorer: additive}
train: {steps: 5}
"""


@pytest.fixture(scope="session")
def registry() -> Registry:
    """The built-in parts and those of `odd_parts`."""
    return discover(modules=["odd_parts"])


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a recipe: `write("text")`, or `write("text", "parent.yaml")`."""

    def write(text: str, name: str = "recipe.yaml") -> Path:
        path = tmp_path / name
        path.write_text(dedent(text))
        return path

    return write


@pytest.fixture
def load(write: Callable[..., Path], registry: Registry) -> Callable[..., Recipe]:
    """Load a recipe given as text, followed by overrides."""

    def load(text: str, *overrides: str) -> Recipe:
        return load_recipe(write(text), registry=registry, overrides=overrides)

    return load


@pytest.fixture
def problems(load: Callable[..., Recipe]) -> Callable[..., list[Problem]]:
    """All problems of a recipe given as text, followed by overrides."""

    def problems(text: str, *overrides: str) -> list[Problem]:
        with pytest.raises(RecipeError) as caught:
            load(text, *overrides)
        return caught.value.problems

    return problems
