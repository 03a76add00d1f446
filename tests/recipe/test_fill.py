"""Filling slots from constructors: every form of option, and errors for wrong values."""

from collections.abc import Callable
from typing import Any

import pytest
from conftest import WHOLE

from seqtool.errors import PartError, Problem, RecipeError, SeqtoolError
from seqtool.recipe import Recipe, Reference, reference
from seqtool.recipe.schema import schema_of
from seqtool.registry import Registry

Problems = Callable[..., list[Problem]]


def task(value: Any, registry: Registry) -> Reference:
    return reference("task", value, registry)


def problem_of(value: Any, registry: Registry) -> Problem:
    with pytest.raises(RecipeError) as caught:
        task(value, registry)
    (problem,) = caught.value.problems
    return problem


def test_values_are_converted_to_the_constructors_annotations(registry: Registry) -> None:
    part = task({"type": "plain", "copy": 2, "betas": [0, 1], "sizes": [3, 4], "table": {"a": 1}}, registry)()
    assert part.options == (2, "x", False, (0.0, 1.0), [3, 4], {"a": 1.0}, None)
    assert type(part.options[3]) is tuple
    assert type(part.options[3][0]) is float


def test_plain_data_contains_defaults_and_canonical_names(registry: Registry) -> None:
    found = task({"type": "plain", "copy": 2}, registry)
    assert found.plain == {
        "type": "odd_parts:plain",
        "copy": 2,
        "json": "x",
        "schema": False,
        "betas": [0.9, 0.99],
        "sizes": "auto",
        "table": None,
        "ratio": None,
    }


@pytest.mark.parametrize(
    ("options", "path", "words"),
    [
        ({"copy": True}, ("copy",), "expected int >= 1 and <= 1000000, got true"),
        ({"copy": "3"}, ("copy",), "got the string '3'"),
        ({"copy": 3.0}, ("copy",), "got 3.0"),
        ({"copy": 0}, ("copy",), "got 0"),
        ({"copy": 1_000_001}, ("copy",), "got 1000001"),
        ({"copy": None}, ("copy",), "got null"),
        ({"copy": [1]}, ("copy",), "got the list [1]"),
        ({"copy": {"a": 1}}, ("copy",), 'got the mapping {"a": 1}'),
        ({"copy": float("nan")}, ("copy",), "got nan"),
        ({"copy": object}, ("copy",), "got <class 'object'>"),
        ({"json": 3}, ("json",), "expected str, got 3"),
        ({"schema": 1}, ("schema",), "expected bool, got 1"),
        ({"schema": "yes"}, ("schema",), "got 'yes'"),
        ({"betas": [0.5]}, ("betas",), "got the list [0.5]"),
        ({"betas": [0.5, 2]}, ("betas", 1), "expected float >= 0 and <= 1, got 2"),
        ({"betas": [0.5, 0.5, 0.5]}, ("betas",), "got the list"),
        ({"sizes": [1, "x"]}, ("sizes", 1), "expected int >= 1 and <= 1000000, got 'x'"),
        ({"sizes": "atuo"}, ("sizes",), "list of int >= 1 and <= 1000000 | auto, got 'atuo'"),
        ({"table": {"a": "x"}}, ("table", "a"), "expected float > 0, got 'x'"),
        ({"ratio": float("inf")}, ("ratio",), "got inf"),
    ],
)
def test_a_wrong_value_is_reported_at_the_innermost_position(
    registry: Registry, options: dict[str, Any], path: tuple[str | int, ...], words: str
) -> None:
    problem = problem_of({"type": "plain", "copy": 1, **options}, registry)
    assert words in problem.message
    assert problem.path == path
    assert "pydantic" not in str(problem)


def test_the_nearest_choice_is_offered(registry: Registry) -> None:
    assert problem_of({"type": "plain", "copy": 1, "sizes": "atuo"}, registry).nearest == "auto"


def test_every_form_of_slot_is_filled(registry: Registry) -> None:
    plain = {"type": "plain", "copy": 1}
    found = task(
        {
            "type": "slots",
            "one": plain,
            "maybe": "dot",
            "usual": {"copy": 5},
            "loss": "cross_entropy",
            "several": [plain, {"type": "picky"}],
            "pair": [plain, plain],
            "attention": {"scorer": "dot", "heads": 2},
        },
        registry,
    )
    one, maybe, usual, loss, several, pair, attention = found().slots
    assert [ref.kind for ref in (one, maybe, usual, loss)] == ["task", "scorer", "task", "loss"]
    assert usual.options["copy"] == 5
    assert (type(several), [ref.name for ref in several]) == (list, ["odd_parts:plain", "odd_parts:picky"])
    assert (type(pair), len(pair)) == (tuple, 2)
    assert attention(4, 4).num_heads == 2
    assert found.plain["several"][1]["type"] == "odd_parts:picky"
    assert found.plain["attention"]["normalizer"] == {"type": "attention:softmax"}


@pytest.mark.parametrize(
    ("slots", "path", "words"),
    [
        ({"one": 3}, ("one",), "expected a task, got 3"),
        ({"one": None}, ("one",), "expected a task, got null"),
        ({"one": {"copy": 1}}, ("one",), "a task needs its `type`"),
        ({"one": {"typ": "plain"}}, ("one",), "needs its `type`, not 'typ'"),
        ({"one": {"type": 3}}, ("one",), "expected the name of a task, got 3"),
        ({"one": "dot"}, ("one",), "there is a scorer of this name"),
        (
            {"usual": {"kopie": 1}},
            ("usual",),
            "without `type`, the task is plain by default, which has no option 'kopie'",
        ),
        ({"several": {"type": "picky"}}, ("several",), "expected list of parts, got the mapping"),
        ({"several": ["picky", "pickle"]}, ("several", 1), "no task is named 'pickle'"),
        ({"pair": ["picky"]}, ("pair",), "at least 2 long, got the list"),
        ({"attention": "dot"}, ("attention",), "expected a mapping of attention's options, got 'dot'"),
        ({"attention": {}}, ("attention", "scorer"), "attention needs the option 'scorer'"),
        ({"attention": {"scorer": "dot", "type": "x"}}, ("attention", "type"), "attention has no option 'type'"),
    ],
)
def test_a_wrong_slot_is_reported(registry: Registry, slots: dict[str, Any], path: tuple[Any, ...], words: str) -> None:
    good = {"type": "slots", "one": "picky", "usual": {"copy": 1}}
    problem = problem_of({**good, **slots}, registry)
    assert words in problem.message
    assert problem.path == path


def test_slots_take_ready_made_callables(registry: Registry) -> None:
    def factory(*sizes: int) -> None: ...

    assert task({"type": "slots", "one": factory, "usual": "picky"}, registry)().slots[0] is factory


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("anything", "**kwargs"),
        ("bare", "size"),
        ("unwritable", "function"),
        ("baddefault", "the default of its option 'size', 0"),
        ("endless", "the default of its option 'limit', inf"),
        ("typed", "`type`"),
        ("nameless", "its slot 'scorer'"),
        ("mapped", "its slot 'scorers'"),
        ("unknown", "NoSuchType"),
        ("russian", "nested too deeply"),
    ],
)
def test_a_part_whose_constructor_no_recipe_could_serve_is_refused_by_name(
    registry: Registry, name: str, words: str
) -> None:
    problem = problem_of(name, registry)
    assert words in problem.message
    assert name in str(problem) or name == "russian"


def test_options_are_the_keyword_only_parameters() -> None:
    from seqtool.nn.attention import Attention

    schema = schema_of(Attention)
    assert list(schema.options) == ["scorer", "normalizer", "heads"]
    assert [option.required for option in schema.options.values()] == [True, False, False]


def test_errors_of_a_constructor_are_reported_at_the_option(load: Callable[..., Recipe]) -> None:
    recipe = load(WHOLE.replace("{type: copy, length: 3}", "{type: picky, low: 3}"))
    with pytest.raises(RecipeError) as caught:
        recipe.variants["default"].task()
    (problem,) = caught.value.problems
    assert (problem.message, problem.path, problem.allowed) == ("low lies above high", ("task", "low"), "low <= high")
    assert problem.origin is not None
    assert (problem.origin.line, problem.origin.column) == (3, 26)


def test_errors_of_a_constructor_without_option_are_reported_at_the_part(load: Callable[..., Recipe]) -> None:
    recipe = load(WHOLE.replace("{type: copy, length: 3}", "picky"), "task.low=1")
    with pytest.raises(RecipeError, match="nothing lies between") as caught:
        recipe.variants["default"].task()
    assert caught.value.problems[0].path == ("task",)


def test_other_exceptions_of_a_constructor_name_the_part_and_keep_the_cause(registry: Registry) -> None:
    with pytest.raises(SeqtoolError, match=r"task odd_parts:picky \(-p\) failed to build: ValueError: boom") as caught:
        task({"type": "picky", "wreck": True}, registry)()
    assert isinstance(caught.value.__cause__, ValueError)
    assert not isinstance(caught.value, PartError)


def test_all_problems_are_reported_together_with_their_positions(problems: Problems) -> None:
    text = """\
        seqtool: 1
        name: broken
        task: {type: cpoy, length: 3}
        model:
          encodr: identity
          decoder:
            type: attend_before
            cell: {type: lstm, hidden_sise: 32}
            attention: {scorer: {type: gmm, components: 0}, normaliser: exp}
        train: {batch_size: 3.5}
        """
    places = [(p.origin.line, p.origin.column, p.nearest) for p in problems(text) if p.origin]
    assert places == [
        (3, 14, "copy"),
        (5, 3, "encoder"),
        (8, 24, "hidden_size"),
        (9, 53, "normalizer"),
        (9, 49, ""),
        (10, 1, ""),
        (10, 21, ""),
    ]


def test_a_problem_shows_its_line_with_a_caret_below_the_position(problems: Problems) -> None:
    (problem,) = problems(WHOLE.replace("hidden_size: 3", "hidden_size: abc"))
    lines = str(problem).split("\n")
    assert lines[0].endswith(
        "recipe.yaml:7:37: model.decoder.cell.hidden_size: expected int >= 1 and <= 1000000, got 'abc'"
    )
    assert lines[1] == "        cell: {type: lstm, hidden_size: abc}"
    assert lines[2].index("^") == lines[1].index("abc")
