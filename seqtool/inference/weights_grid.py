"""Attention weights as text: target symbols in rows, source symbols in columns."""

from collections.abc import Sequence
from typing import Any

import wcwidth

SHADES = " ░▒▓█"
ASCII_SHADES = " .:+#"
MAX_WIDTH = 12
"""The most characters of a symbol that are shown."""


def render_grid(rows: Sequence[str], columns: Sequence[str], weights: Any, *, width: int, shades: str = SHADES) -> str:
    """One shade per weight; columns that do not fit into `width` characters follow in further blocks.

    Args:
        rows: the T target symbols. columns: the M symbols of the memory.
        weights: `[T, M]`; a weight of 1 or more has the darkest shade.
    """
    names, heads = [_shown(row) for row in rows], [_shown(column) for column in columns]
    margin = max(map(wcwidth.width, names), default=0) + 1
    cell = max(map(wcwidth.width, heads), default=1) + 1
    per_block = max(1, (width - margin) // cell)
    blocks = []
    for begin in range(0, len(heads), per_block):
        part = slice(begin, begin + per_block)
        lines = [" " * margin + "".join(wcwidth.ljust(head, cell) for head in heads[part])]
        for name, row in zip(names, weights, strict=True):
            cells = (shade(float(weight), shades) * max(1, cell - 1) for weight in row[part])
            lines.append(wcwidth.ljust(name, margin) + " ".join(cells))
        blocks.append("\n".join(line.rstrip() for line in lines))
    return "\n\n".join(blocks)


def shade(weight: float, shades: str = SHADES) -> str:
    """The shade nearest to a weight from 0 to 1."""
    return shades[min(len(shades) - 1, max(0, round(weight * (len(shades) - 1))))]


def _shown(symbol: str) -> str:
    """A symbol with spaces as "␣" and unprintable characters escaped, at most `MAX_WIDTH` characters."""
    text = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in symbol).replace(" ", "␣")
    return text if len(text) <= MAX_WIDTH else f"{text[: MAX_WIDTH - 1]}…"
