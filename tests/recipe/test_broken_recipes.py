"""Broken recipes are reported at the position of their fault, without a traceback."""

import random
from collections import Counter
from pathlib import Path

import pytest
from hostile import GOOD, hostile
from mutants import Mutant, mutants

from seqtool.errors import RecipeError
from seqtool.recipe import load_recipe
from seqtool.registry import Registry

RECIPES = Path(__file__).parents[2] / "recipes"
SHIPPED = sorted(path.name for path in RECIPES.glob("*.yaml"))
NUM_MUTANTS = pytest.mark.parametrize("count", [300, pytest.param(1500, marks=pytest.mark.slow)])
NUM_HOSTILE = pytest.mark.parametrize("count", [100, pytest.param(500, marks=pytest.mark.slow)])


def drawn(count: int) -> list[tuple[str, Mutant]]:
    """`count` mutants of the bundled recipes, evenly over operators as far as possible."""
    made = [(name, m) for i, name in enumerate(SHIPPED) for m in mutants((RECIPES / name).read_text(), i)]
    unique = {mutant.text: (name, mutant) for name, mutant in made}
    pools: dict[str, list[tuple[str, Mutant]]] = {}
    for name, mutant in random.Random(0).sample(list(unique.values()), len(unique)):
        pools.setdefault(mutant.operator, []).append((name, mutant))
    turns = [pool[turn] for turn in range(len(unique)) for pool in pools.values() if turn < len(pool)]
    return turns[:count]


def refusal(path: Path, registry: Registry, label: str) -> RecipeError:
    """The error message for a broken recipe."""
    try:
        load_recipe(path, registry=registry)
    except RecipeError as error:
        return error
    return pytest.fail(f"this loads, and is broken ({label}):\n{path.read_text()}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the bundled recipes, for those that extend others."""
    folder = tmp_path_factory.mktemp("recipes")
    for name in SHIPPED:
        folder.joinpath(name).write_bytes((RECIPES / name).read_bytes())
    return folder


@NUM_MUTANTS
def test_faults_in_mutated_recipes_are_reported_at_their_line(folder: Path, registry: Registry, count: int) -> None:
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    misses = []
    sample = drawn(count)
    for name, mutant in sample:
        path = folder / f"mutant_of_{name}"
        path.write_text(mutant.text, newline="")
        first = refusal(path, registry, f"line {mutant.line}, {mutant.operator}").problems[0]
        assert first.origin is not None
        total[mutant.operator] += 1
        if (first.origin.source, first.origin.line) == (str(path), mutant.line):
            right[mutant.operator] += 1
        else:
            misses.append(f"{mutant.operator}, line {mutant.line} of {name}:\n{first}\n")
    share = right.total() / total.total()
    table = "\n".join(f"{operator}: {right[operator]} of {total[operator]}" for operator in total)
    print(f"{share:.4f} of {total.total()} mutants are told at their line\n{table}\n" + "\n".join(misses))
    assert total.total() == count
    assert len(total) >= 14
    assert share >= 0.98, "\n".join(misses)


def test_unmutated_recipes_are_valid(folder: Path, tmp_path: Path, registry: Registry) -> None:
    for name in SHIPPED:
        assert load_recipe(folder / name, registry=registry).variants
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    assert load_recipe(path, registry=registry).variants


@NUM_HOSTILE
def test_hostile_files_are_refused_with_a_position(tmp_path: Path, registry: Registry, count: int) -> None:
    tried = 0
    for label, path in hostile(tmp_path, count):
        error = refusal(path, registry, label)
        for problem in error.problems:
            assert problem.message
            assert problem.origin is not None, label
            assert problem.origin.source.startswith(str(tmp_path)), label
            assert problem.origin.line >= 1, label
            assert len(str(problem)) < 5000, label
        assert error.exit_code == 2
        tried += 1
    assert tried == count
