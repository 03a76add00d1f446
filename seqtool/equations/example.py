"""A worked example: small fixed numbers through an equation, line by line."""

from collections.abc import Mapping
from typing import TypeVar

from seqtool.equations.vectors import Matrix, Vector

Value = float | list[int] | Vector | Matrix
V = TypeVar("V", float, Vector, Matrix)


class Example:
    """What goes in, each line on the way, and what comes out, the last line.

    Attributes:
        given: inputs and parameters by name.
        lines: the name and the value of each line.
    """

    def __init__(self, given: Mapping[str, Value]) -> None:
        self.given = dict(given)
        self.lines: list[tuple[str, Value]] = []

    def show(self, name: str, value: V) -> V:
        """Add a line; the value comes back, so that the next one may use it."""
        self.lines.append((name, value))
        return value

    def result(self, name: str, value: Value) -> "Example":
        """Add the last line: what the formulation itself makes of what is given."""
        self.lines.append((name, value))
        return self


def number(x: float) -> str:
    """Four digits, and no minus before a zero."""
    return f"{round(x, 12) + 0.0:.4g}"


def render(value: Value) -> str:
    """A value as Python would write it, in four digits."""
    if isinstance(value, list):
        return f"[{', '.join(map(render, value))}]"
    return number(value)
