"""The YAML of recipes."""

import pytest

from seqtool.errors import Problem, RecipeError
from seqtool.recipe.loader import MAX_DEPTH, parse_text
from seqtool.recipe.nodes import Node


def plain(text: str) -> object:
    node = parse_text(text, "r.yaml")
    assert node is not None
    return node.plain()


def refused(text: str) -> list[Problem]:
    with pytest.raises(RecipeError) as caught:
        parse_text(text, "r.yaml")
    return caught.value.problems


def place(problem: Problem) -> tuple[int, int]:
    assert problem.origin is not None
    return problem.origin.line, problem.origin.column


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("60_20", "60_20"),
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("-7", -7),
        ("+7", 7),
        ("007", 7),
        ("0o17", 15),
        ("0xff", 255),
        ("0b11", "0b11"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("on", "on"),
        ("No", "No"),
        ("y", "y"),
        ("true", True),
        ("FALSE", False),
        ("tRUE", "tRUE"),
        ("~", None),
        ("Null", None),
        ("'3'", "3"),
        ('"true"', "true"),
        ("'~'", "~"),
        ("e3", "e3"),
        ("1e", "1e"),
        ("=", "="),
        ("9223372036854775807", 9223372036854775807),
    ],
)
def test_scalars_are_those_of_the_yaml_1_2_core_schema(text: str, value: object) -> None:
    found = plain(f"a: {text}")
    assert found == {"a": value}
    assert type(found["a"]) is type(value)  # type: ignore[index]


@pytest.mark.parametrize("text", [".inf", "-.INF", ".nan", "1e999", "9223372036854775808", "9" * 5000, "0x" + "f" * 99])
def test_numbers_beyond_json_or_64_bits_are_refused(text: str) -> None:
    (problem,) = refused(f"a: 1\nb: {text}\n")
    assert place(problem) == (2, 4)
    assert text[:20] in problem.message


def test_every_key_and_value_has_its_position_and_source_line() -> None:
    root = parse_text("a: 1\nb:\n  - x\n  - {c: 2}\n", "r.yaml")
    assert root is not None

    def at(node: Node, *steps: str | int) -> Node:
        for step in steps:
            node = dict(node.children())[step]
        return node

    inner = at(root, "b", 1, "c")
    assert (str(inner.key), str(inner.origin), inner.origin.text) == ("r.yaml:4:6", "r.yaml:4:9", "  - {c: 2}")
    assert str(at(root, "b").key) == "r.yaml:2:1"
    assert str(at(root, "b", 0).key) == str(at(root, "b", 0).origin) == "r.yaml:3:5"


def test_positions_are_the_same_with_windows_line_ends() -> None:
    unix, windows = (parse_text(text, "r.yaml") for text in ("a: 1\nb: 2\n", "a: 1\r\nb: 2\r\n"))
    assert unix == windows


def test_the_first_of_two_equal_keys_is_named_when_the_second_is_refused() -> None:
    (problem,) = refused("a: 1\nb: 2\na: 3\n")
    assert place(problem) == (3, 1)
    assert "line 1" in problem.message


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("a: !!str x", (1, 4), "tags"),
        ("a: !x {b: 1}", (1, 4), "tags"),
        ("1: x", (1, 1), "a key must be a name, got 1"),
        ("b: 1\ntrue: x", (2, 1), "a key must be a name"),
        ("null: x", (1, 1), "a key must be a name"),
        ("?\n: x", (1, 2), "got nothing"),
        ("? [a]\n: x", (1, 3), "a key must be a name, got a sequence"),
        ("a: &a 1\n<<: {b: *a}", (2, 1), "merge keys"),
        ("a: 1\n---\nb: 2", (2, 1), "a recipe is one"),
        ("a: x\x00", (1, 5), "the character"),
        ("a: x\x85", (1, 5), "the character"),
        ('a: "\\0"', (1, 4), "the character"),
        ('a: "\\ud800"', (1, 4), "the character"),
        ('a: "\\UFFFFFFFF"', (1, 7), "escape"),
        ("a: *b", (1, 4), "anchor"),
        ("a: &a [*a]", (1, 4), "an alias contains itself"),
        ("a: [1, 2\nb: 3\n", (1, 4), "this '[' is not closed"),
        ("b: 1\na: {c: 1\n", (2, 4), "this '{' is not closed"),
        ("a: 'x\nb: 1\n", (1, 4), "this quote is not closed"),
        ("a: 1\nb 2\nc: 3\n", (2, 1), "without ':'"),
        ("a:\n  b 2\n  c: 3\n", (2, 3), "':'"),
        ("a:\n  b: 1\n   c: 2\n", (3, 5), "indentation"),
        ("a:\n    b: 1\n  c: 2\n", (3, 3), "indentation"),
        ("a:\n\tb: 1\n", (2, 1), "spaces"),
        ("x" * 300 + ": 1", (1, 1), "200 characters"),
    ],
)
def test_unsupported_yaml_is_refused_at_its_position(text: str, where: tuple[int, int], words: str) -> None:
    problem = refused(text)[0]
    assert words in problem.message
    assert place(problem) == where


def test_independent_problems_are_reported_together() -> None:
    found = refused("a: !t 1\nb: .nan\nb: 2\n3: x\n")
    assert [place(problem)[0] for problem in found] == [1, 2, 3, 4]


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 50_000])
def test_deep_nesting_is_refused_without_a_stack_overflow(opening: str, depth: int) -> None:
    (problem,) = refused(opening * depth)
    assert "deeper" in problem.message
    assert place(problem) == (1, len(opening) * MAX_DEPTH + 1)


def test_an_alias_is_replaced_by_its_anchor() -> None:
    assert plain("a: &x {b: 1}\nc: *x\n") == {"a": {"b": 1}, "c": {"b": 1}}


def test_exponential_aliases_are_refused() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 20)]
    (problem,) = refused("\n".join(lines))
    assert "aliases expanded" in problem.message


def test_a_long_line_is_shortened() -> None:
    near, far = refused(f"{{a: !t 1, b: {'x' * 5000}, c: !t 2}}")
    assert near.origin is not None
    assert len(near.origin.text) < 200
    assert far.origin is not None
    assert far.origin.text == ""
