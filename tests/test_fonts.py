"""Fonts of figures: fallbacks among the installed fonts, the user's settings, and scripts without a font."""

import matplotlib
import pytest
from matplotlib.figure import Figure

from seqtool.analysis.figures import render_figure, styled

GLYPH = "\U0001d6fc"  # a mathematical alpha, which matplotlib's STIX fonts have


def drawn(text: str) -> bytes:
    with styled():
        figure = Figure(figsize=(2, 1))
        figure.text(0.5, 0.5, text)
    return render_figure(figure, "svg")


def test_an_installed_font_that_has_the_characters_is_used() -> None:
    assert drawn(GLYPH) != drawn("\U0001d6fd")  # two boxes would be equal
    assert "LastResort" not in drawn(GLYPH).decode()


def test_a_script_without_a_font_is_named() -> None:
    with pytest.warns(UserWarning, match=r"no installed font has these characters of figures: Linear"):
        drawn("\U00010000")  # Linear B


def test_the_fonts_of_the_user_are_kept() -> None:
    usual = drawn("a")
    with matplotlib.rc_context({"font.family": ["DejaVu Serif"], "font.size": 30}):
        assert drawn("a") != usual
    with matplotlib.rc_context({"font.size": 30}):
        assert drawn("a") == usual
