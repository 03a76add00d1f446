"""Descriptions of parts, read from their docstrings and constructors."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Gt, Lt
from fakes import BUILT_IN

from seqtool.errors import PartError
from seqtool.registry import Registered, discover
from seqtool.registry.describe import describe, read_entries, read_sections, render_type, render_value
from seqtool.registry.options import Count, Factory, MinLen, NonNegative, Probability, SlotKind, named
from seqtool.registry.signature import read_constructor

PARTS = [part for part in discover(modules=BUILT_IN).parts() if part.plugin.module in BUILT_IN]


def test_sections_are_found_inline_or_below_and_the_rest_is_text() -> None:
    sections = read_sections(
        "Summary.\n\nText: not a section.\n\nEquation:\n    a\n      b\n\n    c\nMore text.\n"
        "Source: Somebody,\nsomewhere.\n\nLast words.\n\nArgs:\n    x: one\n\nRaises:\n    E: two"
    )
    assert sections == {
        "": "Summary.\n\nText: not a section.\n\nMore text.\n\nLast words.",
        "Equation": "a\n  b\n\nc",
        "Source": "Somebody,\nsomewhere.",
        "Args": "x: one",
        "Raises": "E: two",
    }
    assert read_sections("") == {"": ""}


def test_docstring_entries_span_lines_and_name_several_arguments() -> None:
    entries = read_entries("a: one\n    two: three\nb, c: four\nd: ")
    assert entries == {"a": "one two: three", "b": "four", "c": "four", "d": ""}
    assert read_entries("no entry at all") == {}


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (int, "int"),
        (Count, "int >= 0"),
        (NonNegative, "float >= 0"),
        (Probability, "float >= 0 and <= 1"),
        (Annotated[float, Gt(0), Lt(1)], "float > 0 and < 1"),
        (Literal["a", "b c", 3, None], 'a | "b c" | 3 | null'),
        (Literal["true"], '"true"'),
        (bool | None, "bool | null"),
        (list[int], "list of int"),
        (tuple[Count, ...], "list of int >= 0"),
        (tuple[int, str], "[int, str]"),
        (dict[str, float], "mapping of str to float"),
        (Annotated[list[int], MinLen(2)], "list of int, at least 2 long"),
        (Annotated[Factory[Any], SlotKind("loss")], "loss slot"),
        (list[Annotated[Factory[Any], SlotKind("metric")]] | None, "list of metric slot | null"),
        (Factory[Any], "slot"),
        (Any, "anything"),
        (Callable[[int], int], "collections.abc.Callable[[int], int]"),
    ],
)
def test_types_are_described_in_recipe_terms(annotation: Any, expected: str) -> None:
    assert render_type(annotation) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "null"),
        (True, "true"),
        (1e-3, "0.001"),
        ("copy", "copy"),
        ("null", '"null"'),
        ("two words", '"two words"'),
        (("a", 1), "[a, 1]"),
        (named("softmax"), "softmax"),
        ({1, 2}, "{1, 2}"),
    ],
)
def test_values_are_formatted_as_in_recipes(value: Any, expected: str) -> None:
    assert render_value(value) == expected


class Inner:
    """Contains itself.

    Args:
        depth: how deep.
    """

    def __init__(self, *, depth: int = 1, again: "Factory[Inner] | None" = None) -> None: ...


def test_a_recursive_class_is_described_once() -> None:
    description = describe(Inner)
    rows = [(option.name, option.type, option.default, option.meaning) for option in description.options]
    assert rows == [("depth", "int", "1", "how deep."), ("again", "{depth, again} | null", "null", "")]
    assert (description.summary, description.sizes, description.source) == ("Contains itself.", (), "")


class Deeper(Inner):
    """Inherits its constructor."""


class Own(Inner):
    """Has its own constructor."""

    def __init__(self, *, depth: int = 1) -> None: ...


def test_argument_descriptions_are_inherited_with_the_constructor() -> None:
    assert describe(Deeper).options[0].meaning == "how deep."
    assert describe(Own).options[0].meaning == "", "an overridden constructor has its own description"


class Undocumented:
    def __init__(self, size: int) -> None: ...


def test_a_class_without_docstring_is_described_by_its_constructor() -> None:
    description = describe(Undocumented)
    assert (description.summary, description.sizes, description.options) == ("", (("size", ""),), ())


def test_number_of_sizes_is_read_from_the_constructor() -> None:
    class Part:
        def __init__(self, a: int, b: int = 2, *, option: int = 3) -> None: ...

    constructor = read_constructor(Part)
    assert [constructor.takes(count) for count in range(4)] == [False, True, True, False]
    assert [option.name for option in constructor.options] == ["option"]


def test_a_constructor_that_hides_its_options_is_refused() -> None:
    class Part:
        def __init__(self, *sizes: int, **options: int) -> None: ...

    with pytest.raises(PartError, match="define an __init__ that names them"):
        describe(Part)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: f"{part.kind}/{part.name}")
def test_every_built_in_part_loads_and_has_a_description(part: Registered) -> None:
    description = describe(part.load())
    assert part.summary, "`seqtool list` shows it"
    assert description.summary.endswith(".")
    named = [*description.sizes, *((option.name, option.meaning) for option in description.options)]
    assert [name for name, meaning in named if not meaning] == []
    if part.kind in ("cell", "scorer", "normalizer", "decoder"):
        assert description.equation
        assert description.source
    written = set(read_entries(read_sections(part.load().__doc__ or "").get("Args", "")))
    assert written <= {name for name, _ in named}, "descriptions of options that do not exist"
