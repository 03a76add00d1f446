"""Numbers in tables."""

import math

LARGE = 1e6
"""From this absolute value on, numbers have an exponent instead of decimals."""


def number_text(value: float, decimals: int = 4, *, sign: bool = False) -> str:
    """A number with this many decimals, or with as many significant digits and an exponent if it is large.

    `sign`: whether positive numbers have a sign too.
    """
    plus = "+" if sign else ""
    if math.isfinite(value) and abs(value) >= LARGE:
        return f"{value:{plus}.{max(1, decimals)}g}"
    return f"{value:{plus}.{decimals}f}"
