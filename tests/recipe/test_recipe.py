"""Whole recipes: variants, parents, seeds, overrides, references, and resolved recipes."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import WHOLE

from seqtool.build.check import check
from seqtool.errors import Origin, Problem, RecipeError
from seqtool.parts.cell import Cell
from seqtool.recipe import Recipe, Reference, load_recipe
from seqtool.recipe.dump import dump
from seqtool.recipe.recipe_files import bundled_recipes
from seqtool.registry import Registry, UnknownPartError

Load = Callable[..., Recipe]
Problems = Callable[..., list[Problem]]
Write = Callable[..., Path]

VARIANTS = """
variants:
  as_is: {}
  gru:
    model: {decoder: {cell: {type: gru, hidden_size: 4}}}
  wide:
    model: {decoder: {cell: {hidden_size: 5}}}
"""


def cell(recipe: Recipe, variant: str) -> object:
    return recipe.variants[variant].data["model"]["decoder"]["cell"]


def test_a_recipe_without_variants_has_one(load: Load) -> None:
    recipe = load(WHOLE)
    (variant,) = recipe.variants.values()
    assert (variant.name, recipe.name, recipe.seeds, recipe.text) == ("default", "small", (0,), WHOLE)
    assert variant.task.name == "tasks:copy"
    assert (variant.embedding.name, variant.encoder.name) == ("embeddings:one_hot", "encoders:identity")
    assert variant.target_embedding is variant.embedding
    assert (variant.train.steps, variant.train.batch_size, variant.train.schedule) == (5, 64, None)


def test_references_in_options_of_a_decoder(load: Load) -> None:
    options = load(WHOLE).variants["default"].decoder.options
    attention = options["attention"]
    assert isinstance(attention, Reference)
    assert (attention.kind, attention.cls.__name__) == ("", "Attention")
    assert attention.options["normalizer"].name == "attention:softmax"
    built = options["cell"](7)
    assert isinstance(built, Cell)
    assert (built.output_size, options["cell"].options["hidden_size"]) == (3, 3)


def test_variants_are_merged_over_the_recipe(load: Load) -> None:
    recipe = load(WHOLE + VARIANTS)
    assert list(recipe.variants) == ["as_is", "gru", "wide"]
    assert cell(recipe, "as_is")["type"] == "cells:lstm"  # type: ignore[index]
    gru, wide = cell(recipe, "gru"), cell(recipe, "wide")
    assert gru["type"] == "cells:gru"  # type: ignore[index]
    assert "forget_bias" not in gru  # type: ignore[operator]
    assert (wide["type"], wide["hidden_size"]) == ("cells:lstm", 5)  # type: ignore[index]


def test_null_empties_a_slot_that_may_be_empty_and_is_the_default_of_one_that_may_not(load: Load) -> None:
    text = WHOLE + "variants: {v: {model: {encoder: null, decoder: {attention: {normalizer: null}}}}}"
    model = load(text.replace("model:\n", "model:\n  encoder: identity\n")).variants["v"].data["model"]
    assert model["encoder"] == {"type": "encoders:identity"}
    assert model["decoder"]["attention"]["normalizer"] == {"type": "attention:softmax"}
    text = text.replace("train: {", "train: {clip_norm: 1, schedule: constant, ")
    assert load(text, "train.clip_norm=null", "train.schedule=null").variants["v"].train.clip_norm is None


def test_null_is_refused_for_required_values(problems: Problems) -> None:
    assert [p.path for p in problems(WHOLE, "train.steps=null", "model.decoder=null", "task=null")] == [
        ("task",),
        ("model", "decoder"),
        ("train", "steps"),
    ]


def test_a_recipe_extends_another_beside_it(write: Write, registry: Registry) -> None:
    write(WHOLE + VARIANTS + "seeds: [4, 7]\n", "parent.yaml")
    path = write("""
        name: child
        extends: parent.yaml
        task: {length: 9}
        variants: {gru: null, wide: {train: {steps: 8}}}
        """)
    recipe = load_recipe(path, registry=registry)
    assert (recipe.name, recipe.seeds, list(recipe.variants)) == ("child", (4, 7), ["as_is", "wide"])
    wide = recipe.variants["wide"]
    assert (wide.data["task"]["length"], wide.train.steps) == (9, 8)
    assert str(wide.origins["task", "length"]) == f"{path}:4:16"
    assert str(wide.origins["task", "type"]) == f"{path.with_name('parent.yaml')}:3:14"
    assert str(wide.origins["train", "steps"]) == f"{path}:5:45"
    assert str(wide.origins["train", "batch_size"]) == "default of train"


def test_wrong_indentation_is_named(problems: Problems) -> None:
    found = {
        problem.message: problem.nearest for problem in problems(WHOLE.replace("train: {steps", "train:\nsteps: 5\n#"))
    }
    assert found["a recipe has no section 'steps'; an option of train must be indented below it"] == "train.steps"
    text = WHOLE.replace("task: {type: copy, length: 3}", "task:\n  type: copy\n  length: 3\n  train: {steps: 5}")
    messages = [problem.message for problem in problems(text)]
    assert (
        "task tasks:copy has no option 'train'; train is a section of recipes, so it must not be indented" in messages
    )


def test_a_file_is_suggested_without_its_suffix(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write(WHOLE, "lecture.yaml").parent)
    for name, nearest in (("lecture", "lecture.yaml"), ("lectur.yaml", "lecture.yaml"), ("align_60_21", "align_60_20")):
        with pytest.raises(RecipeError) as caught:
            load_recipe(name)
        assert caught.value.problems[0].nearest == nearest


@pytest.mark.parametrize(
    ("kind", "author", "nearest", "cited"),
    [
        ("scorer", "bahdanau", "additive", "additive"),
        ("scorer", "Luong", "", "concat, dot, general, location"),
        ("decoder", "luong", "attend_after", "attend_after"),
        ("scorer", "graves", "", "cosine, gmm"),
    ],
)
def test_the_name_of_an_author_leads_to_parts(
    registry: Registry, kind: str, author: str, nearest: str, cited: str
) -> None:
    with pytest.raises(UnknownPartError, match=rf"the sources of {cited} cite {author.capitalize()}\)") as caught:
        registry.find(kind, author)
    assert caught.value.nearest == nearest


def test_extends_across_several_files_and_folders(write: Write, registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    write(WHOLE, "base/a.yaml")
    write("extends: a.yaml\ntrain: {steps: 6, log_every: 2}\n", "base/b.yaml")
    train = (
        load_recipe(write("extends: base/b.yaml\ntrain: {log_every: 3}\n"), registry=registry).variants["default"].train
    )
    assert (train.steps, train.log_every) == (6, 3)


@pytest.mark.parametrize(
    ("extends", "words"), [("recipe.yaml", "circular"), ("nowhere.yaml", "nowhere"), (".", "not a file"), ("3", "path")]
)
def test_an_invalid_parent_is_reported_where_it_is_named(problems: Problems, extends: str, words: str) -> None:
    (problem,) = problems(WHOLE + f"extends: {extends}\n")
    assert words in problem.message
    assert problem.origin is not None
    assert (problem.origin.line, problem.origin.column) == (10, 10)


@pytest.mark.parametrize(
    "content",
    [
        "root:hash:1:0\ndaemon:*:1\n",
        "BEGIN hash KEY\n",
        "token: hash\n",
        "a: [hash\n",
        "jobs:\n  task: hash\n",
        "hash: task: a\n",
    ],
)
def test_a_parent_that_is_not_a_recipe_is_not_shown(problems: Problems, write: Write, content: str) -> None:
    write(content, "secret")
    (problem,) = problems(WHOLE + "extends: secret\n")
    assert "'secret' is not a recipe" in problem.message
    assert "hash" not in str(problem)
    assert problem.origin is not None
    assert (problem.origin.line, problem.origin.column) == (10, 10)


@pytest.mark.parametrize(
    "parent", [WHOLE, '{\n  "name": "small",\n  "train": {"steps": 5}\n}\n', "'train' : {steps: 5}\n"]
)
def test_a_parent_has_a_section_of_recipes(load: Load, write: Write, parent: str) -> None:
    write(parent, "parent")
    assert load(WHOLE.replace("train: {steps: 5}", "extends: parent")).variants["default"].train.steps == 5


def test_a_fault_of_a_parent_is_reported_in_the_parent(write: Write, registry: Registry) -> None:
    parent = write(WHOLE.replace("hidden_size: 3", "hidden_size: many"), "parent.yaml")
    with pytest.raises(RecipeError) as caught:
        load_recipe(write("name: child\nextends: parent.yaml\n"), registry=registry)
    (problem,) = caught.value.problems
    assert str(problem.origin) == f"{parent}:7:37"


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [("[3, 1]", (3, 1)), ("{count: 4}", (0, 1, 2, 3)), ("null", (0,)), ("[9223372036854775807]", (2**63 - 1,))],
)
def test_seeds(load: Load, seeds: str, expected: tuple[int, ...]) -> None:
    assert load(WHOLE + f"seeds: {seeds}").seeds == expected


@pytest.mark.parametrize(
    "seeds",
    ["[]", "[1, 2, 1]", "[-1]", "[true]", "3", "x", "{count: 0}", "{count: 1, a: 2}", "{}", "{count: 99999999}"],
)
def test_invalid_seeds_are_refused(problems: Problems, seeds: str) -> None:
    (problem,) = problems(WHOLE + f"seeds: {seeds}")
    assert problem.path[0] == "seeds"
    assert problem.origin is not None
    assert problem.origin.line == 10


@pytest.mark.parametrize("name", ["..", ".hidden", "a/b", "a b", "''", "-x", "'a\n'", "x" * 101, "60"])
def test_invalid_folder_names_are_refused(problems: Problems, name: str) -> None:
    (problem, *_) = problems(WHOLE.replace("small", name))
    assert problem.path == ("name",)


@pytest.mark.parametrize("name", ["a.b", "../x", "''", "a b", "-a"])
def test_names_of_variants_must_be_valid_in_overrides_and_folders(problems: Problems, name: str) -> None:
    (problem,) = problems(WHOLE + f"variants: {{'{name.strip(chr(39))}': {{}}}}")
    assert "not a valid variant name" in problem.message


def test_a_variant_changes_only_what_differs(problems: Problems) -> None:
    (problem,) = problems(WHOLE + "variants:\n  a: {seeds: [1]}\n")
    assert problem.path == ("variants", "a", "seeds")
    assert problem.allowed == "task, model, train"


def test_only_the_version_is_reported_for_a_recipe_of_another_version(problems: Problems) -> None:
    (problem,) = problems(WHOLE.replace("seqtool: 1", "seqtool: 2").replace("train", "trane"))
    assert "version 1, not 2" in problem.message


def test_bundled_recipes_are_found_by_name(registry: Registry) -> None:
    assert set(bundled_recipes()) >= {"align_30_10", "align_60_20", "align_60_20_additive", "library/cells"}
    assert load_recipe("align_60_20", registry=registry).name == "align_60_20"
    with pytest.raises(RecipeError, match="align_60_20") as caught:
        load_recipe("align_60_2O", registry=registry)
    assert caught.value.problems[0].nearest == "align_60_20"


@pytest.mark.parametrize("name", bundled_recipes())
def test_every_bundled_recipe_can_be_built(name: str) -> None:
    check(load_recipe(name))


def test_files_that_are_not_recipes_are_refused(tmp_path: Path, registry: Registry) -> None:
    for path in (tmp_path, tmp_path / "none.yaml", "a\0b", "x" * 5000, "/dev/zero"):
        with pytest.raises(RecipeError) as caught:
            load_recipe(path, registry=registry)
        assert str(path)[:20] in str(caught.value)


def test_invalid_utf8_is_reported_with_its_position(tmp_path: Path, registry: Registry) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(b"\xef\xbb\xbfseqtool: 1\nname: h\xf6\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, registry=registry)
    assert caught.value.problems[0].origin == Origin(str(path), 2, 8)


@pytest.mark.parametrize("name", ["align_60_20", "align_30_10", "align_60_20_additive"])
def test_resolved_data_is_a_recipe_of_the_same_data(load: Load, registry: Registry, name: str) -> None:
    for variant in load_recipe(name, registry=registry).variants.values():
        again = load(dump(variant.data))
        assert again.variants["default"].data == variant.data
        assert dump(again.variants["default"].data) == dump(variant.data)


def test_strings_that_look_like_other_types_are_quoted(load: Load) -> None:
    strings = [
        "1e-3",
        "on",
        "null",
        "~",
        "",
        "60_20",
        "0x1",
        "007",
        "true",
        "a: b",
        "- a",
        " x ",
        "#",
        "'",
        '"',
        "ü",
        ".5",
    ]
    for json in strings:
        text = WHOLE.replace("{type: copy, length: 3}", "{type: plain, copy: 1}")
        recipe = load(text, f"task.json='{json.replace(chr(39), chr(39) * 2)}'")
        assert recipe.variants["default"].data["task"]["json"] == json
        assert load(dump(recipe.variants["default"].data)).variants["default"].data["task"]["json"] == json


def test_reading_a_recipe_imports_torch_only_for_its_parts(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(WHOLE.replace("seqtool: 1", "seqtool: [1"))
    code = (
        "import sys\nfrom seqtool.recipe import load_recipe\nfrom seqtool.errors import RecipeError\n"
        f"try: load_recipe({str(path)!r})\nexcept RecipeError: print('torch' in sys.modules, 'pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
