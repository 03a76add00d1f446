"""Makes invisible characters of symbols visible."""

import unicodedata

_REPLACEMENTS = {"": "∅", " ": "␣", "\n": "↵", "\t": "⇥", "\r": "␍", "\0": "␀"}
_JOINERS = "\u200c\u200d"
"""Zero-width joiners join their neighbours in emoji and in Persian; they are replaced only if alone."""


def visible(symbol: str) -> str:
    """Replace white space, control and direction characters; put a circle under a combining mark without a base."""
    if symbol in _REPLACEMENTS:
        return _REPLACEMENTS[symbol]
    only_joiners = not symbol.strip(_JOINERS)
    shown = "".join(_visible_character(character, only_joiners) for character in symbol)
    return f"◌{shown}" if unicodedata.category(shown[0]).startswith("M") else shown


def _visible_character(character: str, only_joiners: bool) -> str:
    if character in _REPLACEMENTS and character != " ":
        return _REPLACEMENTS[character]
    kept = character in _JOINERS and not only_joiners
    hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") and not kept
    tag = "\U000e0020" <= character <= "\U000e007f"  # of the flags of England, Scotland and Wales
    return f"⟨U+{ord(character):04X}⟩" if hidden and not tag else character
