"""Merging of variants, parents and overrides into a recipe."""

from typing import Any

import pytest

from seqtool.recipe.loader import parse_text
from seqtool.recipe.merge import merge
from seqtool.recipe.nodes import Node


def node(text: str, source: str = "r.yaml") -> Node:
    found = parse_text(text, source)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("base", "over", "merged"),
    [
        ("{a: 1, b: 2}", "{b: 3}", {"a": 1, "b": 3}),
        ("{a: {b: 1, c: 2}}", "{a: {c: 3, d: 4}}", {"a": {"b": 1, "c": 3, "d": 4}}),
        ("{a: [1, 2]}", "{a: [3]}", {"a": [3]}),
        ("{a: {b: 1}}", "{a: null}", {"a": None}),
        ("{a: null}", "{a: {b: 1}}", {"a": {"b": 1}}),
        ("{a: {b: 1}}", "{a: {}}", {"a": {"b": 1}}),
        ("{a: {b: 1}}", "{a: 3}", {"a": 3}),
        ("{a: [1]}", "{a: {b: 1}}", {"a": {"b": 1}}),
        ("{x: {type: gru, n: 3}}", "{x: {type: lstm}}", {"x": {"type": "lstm"}}),
        ("{x: {type: gru, n: 3}}", "{x: lstm}", {"x": "lstm"}),
        ("{x: {type: gru, n: 3}}", "{x: gru}", {"x": {"type": "gru", "n": 3}}),
        ("{x: {type: gru, n: 3}}", "{x: {type: gru, m: 1}}", {"x": {"type": "gru", "n": 3, "m": 1}}),
        ("{x: gru}", "{x: {n: 3}}", {"x": {"type": "gru", "n": 3}}),
        ("{x: gru}", "{x: {type: gru, n: 3}}", {"x": {"type": "gru", "n": 3}}),
        ("{x: gru}", "{x: {type: lstm, n: 3}}", {"x": {"type": "lstm", "n": 3}}),
        ("{x: gru}", "{x: gru}", {"x": "gru"}),
        ("{x: {n: 3}}", "{x: {type: gru}}", {"x": {"type": "gru"}}),
        ("{x: {n: 3}}", "{x: gru}", {"x": "gru"}),
        ("{x: {type: 'cells:gru', n: 3}}", "{x: {type: gru, m: 1}}", {"x": {"type": "gru", "n": 3, "m": 1}}),
        ("{x: {type: gru, n: 3}}", "{x: {type: 'a:gru'}}", {"x": {"type": "a:gru", "n": 3}}),
        ("{x: {type: 'a:gru', n: 3}}", "{x: {type: 'b:gru'}}", {"x": {"type": "b:gru"}}),
        ("{x: {type: gru, y: {type: a, n: 1}}}", "{x: {y: b}}", {"x": {"type": "gru", "y": "b"}}),
    ],
)
def test_mappings_merge_lists_replace_and_a_changed_type_replaces_all(base: str, over: str, merged: Any) -> None:
    assert merge(node(base), node(over)).plain() == merged


def test_each_value_keeps_its_position() -> None:
    merged = merge(node("a: {b: 1, c: 2}", "base"), node("a: {c: 3}", "over"))
    inner = dict(dict(merged.children())["a"].children())
    assert str(inner["b"].origin) == "base:1:8"
    assert str(inner["c"].origin) == "over:1:8"


def test_merging_does_not_change_its_inputs() -> None:
    base, over = node("{a: {b: 1}}"), node("{a: {c: 2}}")
    merge(base, over)
    assert (base.plain(), over.plain()) == ({"a": {"b": 1}}, {"a": {"c": 2}})
