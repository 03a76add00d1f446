"""Where a model looked, drawn in a terminal: target symbols downwards, source symbols to the right."""

from collections.abc import Sequence
from typing import Any

import wcwidth

SHADES = " ░▒▓█"
PLAIN_SHADES = " .:+#"
"""For a terminal that has no blocks."""
WIDEST = 12
"""Longer symbols are cut beside the rows and above the columns."""


def grid(rows: Sequence[str], columns: Sequence[str], weights: Any, *, width: int, shades: str = SHADES) -> str:
    """A shade for each weight, in as many blocks of columns as the width makes necessary.

    Args:
        rows: the T symbols that were written. columns: the M symbols that were looked at.
        weights: `[T, M]`; the darkest shade is for 1 and above.
    """
    names, heads = [_shown(row) for row in rows], [_shown(column) for column in columns]
    margin = max(map(wcwidth.width, names), default=0) + 1
    cell = max(map(wcwidth.width, heads), default=1) + 1
    at_once = max(1, (width - margin) // cell)
    blocks = []
    for begin in range(0, len(heads), at_once):
        part = slice(begin, begin + at_once)
        lines = [" " * margin + "".join(wcwidth.ljust(head, cell) for head in heads[part])]
        for name, row in zip(names, weights, strict=True):
            cells = (shade(float(weight), shades) * max(1, cell - 1) for weight in row[part])
            lines.append(wcwidth.ljust(name, margin) + " ".join(cells))
        blocks.append("\n".join(line.rstrip() for line in lines))
    return "\n\n".join(blocks)


def shade(weight: float, shades: str = SHADES) -> str:
    """The nearest shade to a weight from 0 to 1."""
    return shades[min(len(shades) - 1, max(0, round(weight * (len(shades) - 1))))]


def _shown(symbol: str) -> str:
    """A symbol that takes place on the screen and moves nothing else there."""
    seen = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in symbol).replace(" ", "␣")
    return seen if len(seen) <= WIDEST else f"{seen[: WIDEST - 1]}…"
