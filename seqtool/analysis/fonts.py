"""Fonts of figures: the user's fonts, and installed fonts for characters that these lack."""

import unicodedata
import warnings
from functools import cache
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

FONT_SETTINGS: Any = ("font.family", "font.sans-serif", "font.serif", "font.monospace", "font.cursive", "font.fantasy")
"""The matplotlib settings of the user that figures respect."""


def add_fallback_fonts(figure: Figure) -> None:
    """Let the texts of a figure use further installed fonts; a warning names a script that no font has."""
    texts = [one for one in figure.findobj(Text) if isinstance(one, Text)]
    missing = {ord(one) for text in texts for one in text.get_text() if one.isprintable()}
    families = list(matplotlib.rcParams["font.family"])
    for name in families:
        missing -= _characters(fontManager.findfont(FontProperties(family=[name])))
    if not missing:
        return
    for font in sorted(fontManager.ttflist, key=lambda font: (font.name, font.fname)):
        found = set() if font.name.startswith("Last Resort") else missing & _characters(font.fname)
        if found and font.name not in families:
            families.append(font.name)
            missing -= found
    for text in texts:
        text.set_fontfamily(families)
    if missing:
        scripts = sorted({unicodedata.name(chr(one), "unnamed").split()[0].title() for one in missing})
        message = f"no installed font has these characters of figures: {', '.join(scripts)}; they are drawn as boxes"
        warnings.warn(f"{message}. Install a font such as Noto Sans, or set font.family in matplotlibrc", stacklevel=3)


@cache
def _characters(path: str) -> frozenset[int]:
    """The code points that a font has; none if it cannot be read."""
    try:
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()
