"""Attention weights drawn in a terminal."""

import numpy as np
import pytest

from seqtool.inference.weights_grid import ASCII_SHADES, render_grid, shade


def test_a_grid_by_hand() -> None:
    weights = np.array([[0.0, 1.0], [0.5, 0.5], [0.25, 0.75]])
    assert render_grid(["b", "a", "</s>"], ["a", "b"], weights, width=40) == ("     a b\nb      █\na    ▒ ▒\n</s> ░ ▓")


def test_wide_symbols_take_two_columns_and_combining_marks_none() -> None:
    lines = render_grid(["語"], ["e\u0301", "日"], np.array([[1.0, 1.0]]), width=40, shades=ASCII_SHADES).splitlines()
    assert lines == ["   e\u0301  日", "語 ## ##"]


def test_a_wide_grid_is_split_into_blocks() -> None:
    blocks = render_grid(["x"], list("abcde"), np.ones((1, 5)), width=6).split("\n\n")
    assert blocks == ["  a b\nx █ █", "  c d\nx █ █", "  e\nx █"]
    assert render_grid(["x"], list("ab"), np.ones((1, 2)), width=1).count("\n\n") == 1


def test_control_characters_are_escaped() -> None:
    text = render_grid(["\n", " "], ["\x1b[2J", "a" * 30], np.ones((2, 2)), width=80)
    assert "\x1b" not in text
    assert text.splitlines()[0].split() == ["\\x1b[2J", "a" * 11 + "…"]
    assert [line.split()[0] for line in text.splitlines()[1:]] == ["\\n", "␣"]


@pytest.mark.parametrize(("weight", "drawn"), [(-1.0, " "), (0.1, " "), (0.13, "░"), (0.9, "█"), (50.0, "█")])
def test_shades(weight: float, drawn: str) -> None:
    assert shade(weight) == drawn
