"""`--set` and `${...}`."""

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import WHOLE

from seqtool.build.check import check
from seqtool.errors import MisuseError, Problem, RecipeError
from seqtool.recipe import Recipe, load_recipe
from seqtool.registry import Registry

Load = Callable[..., Recipe]
Problems = Callable[..., list[Problem]]
Write = Callable[..., Path]

TWO = WHOLE + "variants: {a: {}, b: {model: {decoder: {cell: {hidden_size: 5}}}}}\n"


def hidden(recipe: Recipe, variant: str = "default") -> object:
    return recipe.variants[variant].data["model"]["decoder"]["cell"]["hidden_size"]


def test_an_override_applies_to_every_variant_after_its_own_changes(load: Load) -> None:
    recipe = load(TWO, "model.decoder.cell.hidden_size=8")
    assert (hidden(recipe, "a"), hidden(recipe, "b")) == (8, 8)
    assert recipe.overrides == ("model.decoder.cell.hidden_size=8",)
    origin = recipe.variants["b"].origins["model", "decoder", "cell", "hidden_size"]
    assert str(origin) == "--set model.decoder.cell.hidden_size=8"


def test_an_override_may_apply_to_one_variant(load: Load) -> None:
    recipe = load(TWO, "variants.b.model.decoder.cell.hidden_size=9", "variants.b.train.steps=1")
    assert (hidden(recipe, "a"), hidden(recipe, "b")) == (3, 9)
    assert [variant.train.steps for variant in recipe.variants.values()] == [5, 1]


def test_the_last_override_wins(load: Load) -> None:
    assert load(WHOLE, "train.steps=6", "train.steps=7").variants["default"].train.steps == 7


def test_overrides_split_on_the_first_equals_sign_and_parse_values_as_yaml(load: Load) -> None:
    task = WHOLE.replace("{type: copy, length: 3}", "{type: plain, copy: 1}")
    data = (
        load(task, "task.json=a=b", "task.betas=[0.5, 1e-1]", "task.sizes=auto", "name=60_20").variants["default"].data
    )
    assert (data["task"]["json"], data["task"]["betas"], data["name"]) == ("a=b", [0.5, 0.1], "60_20")


def test_an_override_merges_like_a_variant(load: Load) -> None:
    lstm = load(WHOLE, "model.decoder.cell=lstm")
    assert hidden(lstm) == 3
    gru = load(WHOLE, "model.decoder.cell={type: gru, hidden_size: 6}").variants["default"].data
    assert "forget_bias" not in gru["model"]["decoder"]["cell"]
    changed = load(WHOLE, "model.decoder.cell.type=gru", "model.decoder.cell.hidden_size=2")
    assert hidden(changed) == 2


def test_options_of_a_part_that_is_a_bare_name_or_a_default_can_be_set(load: Load) -> None:
    flags = ("model.decoder.attention.scorer.type=gmm", "model.decoder.attention.scorer.components=4")
    data = load(WHOLE, *flags, "train.optimizer.lr=0.5").variants["default"].data
    assert data["model"]["decoder"]["attention"]["scorer"]["components"] == 4
    assert (data["train"]["optimizer"]["type"], data["train"]["optimizer"]["lr"]) == ("training:adam", 0.5)


def test_list_items_are_addressed_by_number(load: Load, problems: Problems) -> None:
    text = WHOLE.replace("train: {", "train: {metrics: [token_accuracy, sequence_accuracy], ")
    data = load(text, "train.metrics.1=token_accuracy", "seeds=[3, 4]", "seeds.0=7").variants["default"].data
    assert [metric["type"] for metric in data["train"]["metrics"]] == ["training:token_accuracy"] * 2
    assert data["seeds"] == [7, 4]
    for step in ("2", "-1", "x", "01x"):
        (problem, *_) = problems(text, f"train.metrics.{step}=loss")
        assert "list of 2" in problem.message
        assert problem.allowed == "0 to 1"


@pytest.mark.parametrize(
    ("flag", "nearest"),
    [
        ("train.stepz=3", "steps"),
        ("trian.steps=3", ""),
        ("model.decoder.cell.hiden_size=3", "hidden_size"),
        ("model.decodr.cell=gru", "decoder"),
        ("variants.bb.train.steps=3", "b"),
        ("steps=3", "train.steps"),
        ("decoder.cell=gru", "model.decoder"),
        ("attention=null", "model.decoder.attention"),
        ("model.hidden_size=3", "model.decoder.cell.hidden_size"),
    ],
)
def test_unknown_paths_are_refused_with_the_nearest_name(problems: Problems, flag: str, nearest: str) -> None:
    (problem,) = problems(TWO, flag)
    assert str(problem.origin) == f"--set {flag}"
    assert problem.nearest == nearest or (nearest == "" and problem.allowed)


NOTHING_TO_SET = """\
a
=
=3
.a=3
a..b=3
extends=x
variants.a=3
variants={}
train.steps.x=1
task.length.x=1
train.steps=[1
train.steps={a: 1
train.steps=!!int 3"""


@pytest.mark.parametrize("flag", ["", *NOTHING_TO_SET.split("\n"), "train.steps=1\n---\n2", "a" + ".a" * 5000 + "=1"])
def test_invalid_overrides_are_refused(problems: Problems, flag: str) -> None:
    (problem, *_) = problems(TWO, flag)
    assert str(problem.origin) == f"--set {flag}"


def test_problems_of_overrides_and_of_the_file_are_reported_together(problems: Problems) -> None:
    found = problems(TWO.replace("steps: 5", "steps: x"), "a", "variants.c.train.steps=1", "task.length=x")
    assert len(found) == 4


def test_a_problem_of_one_variant_is_reported_under_its_name(problems: Problems) -> None:
    (problem,) = problems(TWO, "variants.b.train.steps=0")
    assert problem.path == ("variants", "b", "train", "steps")
    (problem,) = problems(TWO, "train.steps=0")
    assert problem.path == ("train", "steps")


PLAIN = (
    WHOLE + "variants: {attentive: {}, plain: {model: {decoder: {type: plain, cell: {type: lstm, hidden_size: 4}}}}}\n"
)
SCORER = "model.decoder.attention.scorer=dot"


def test_overrides_are_checked_only_against_the_requested_variants(write: Write, registry: Registry) -> None:
    recipe = load_recipe(write(PLAIN), registry=registry, overrides=[SCORER], variants=["attentive"])
    assert list(recipe.variants) == ["attentive"]
    with pytest.raises(
        MisuseError, match=r"no variant 'plane'\n    did you mean 'plain'\?\n    allowed: attentive, plain"
    ):
        load_recipe(write(PLAIN), registry=registry, variants=["attentive", "plane"])


def test_an_override_that_only_some_variants_accept_is_suggested_for_those(problems: Problems) -> None:
    (problem,) = problems(PLAIN, SCORER)
    assert problem.path == ("variants", "plain", "model", "decoder", "attention")
    assert problem.allowed.endswith("; for other variants --set variants.attentive.model.decoder.attention.scorer=dot")
    (problem,) = problems(PLAIN, "variants.plain.model.decoder.attention=null")
    assert "--set" not in problem.allowed


def test_an_override_whose_sizes_only_some_variants_accept_is_suggested_for_those(
    write: Write, registry: Registry
) -> None:
    text = WHOLE + "variants: {odd: {}, even: {model: {decoder: {cell: {hidden_size: 4}}}}}\n"
    text = text.replace("decoder:\n", "encoder: {type: rnn, cell: {type: rnn, hidden_size: 4}}\n  decoder:\n", 1)
    with pytest.raises(RecipeError) as caught:
        check(load_recipe(write(text), registry=registry, overrides=["model.decoder.attention.heads=2"]))
    assert "--set variants.even.model.decoder.attention.heads=2" in caught.value.problems[0].allowed


def test_a_reference_is_another_value_of_the_same_variant(load: Load) -> None:
    text = TWO.replace("{steps: 5}", "{steps: '${model.decoder.cell.hidden_size}', log_every: \"${train.steps}\"}")
    recipe = load(text)
    assert [variant.train.steps for variant in recipe.variants.values()] == [3, 5]
    assert [variant.train.log_every for variant in recipe.variants.values()] == [3, 5]
    assert load(text, "model.decoder.cell.hidden_size=2").variants["b"].train.steps == 2
    assert load(TWO, "train.steps=${task.length}").variants["a"].data["train"]["steps"] == 3


def test_a_reference_may_replace_a_whole_part(load: Load) -> None:
    text = WHOLE.replace("model:\n", "model:\n  encoder: {type: rnn, cell: '${model.decoder.cell}'}\n")
    model = load(text).variants["default"].data["model"]
    assert model["encoder"]["cell"] == model["decoder"]["cell"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("${train.steps}", "is circular"),
        ("${train}", "is circular"),
        ("${train.log_every}", "is circular"),
        ("${task.nothing}", "no 'nothing'"),
        ("${train.batch_size}", "no 'batch_size'"),
        ("x${task.length}", "whole value"),
        ("${task.length}${task.length}", "whole value"),
        ("${}", "whole value"),
        ("${task.length", "whole value"),
    ],
)
def test_unknown_references_are_refused(problems: Problems, value: str, words: str) -> None:
    text = WHOLE.replace("{steps: 5}", f"{{log_every: '${{train.steps}}', steps: '{value}'}}")
    found = problems(text)
    assert all(problem.origin is not None and problem.origin.line == 9 for problem in found)
    assert words in "\n".join(problem.message for problem in found)
    assert not any("expected" in problem.message for problem in found), "one fault is reported once"
