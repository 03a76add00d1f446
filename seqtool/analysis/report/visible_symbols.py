"""Symbols as a reader sees them: what cannot be seen by itself is named."""

import unicodedata

_NAMED = {"": "∅", " ": "␣", "\n": "↵", "\t": "⇥", "\r": "␍", "\0": "␀"}
_JOINERS = "\u200c\u200d"
"""They join what stands beside them, in emoji and in Persian; alone they are named too."""


def visible(symbol: str) -> str:
    """A symbol with white space, control and direction characters named, and a circle below a mark that has none."""
    if symbol in _NAMED:
        return _NAMED[symbol]
    bare = not symbol.strip(_JOINERS)
    shown = "".join(_shown(one, bare) for one in symbol)
    return f"◌{shown}" if unicodedata.category(shown[0]).startswith("M") else shown


def _shown(one: str, bare: bool) -> str:
    if one in _NAMED and one != " ":
        return _NAMED[one]
    kept = one in _JOINERS and not bare
    hidden = unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp") and not kept
    tag = "\U000e0020" <= one <= "\U000e007f"  # of the flags of England, Scotland and Wales
    return f"⟨U+{ord(one):04X}⟩" if hidden and not tag else one
