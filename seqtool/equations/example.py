"""Worked examples: an equation computed line by line with small numbers."""

from collections.abc import Mapping
from typing import TypeVar

from seqtool.equations.vectors import Matrix, Vector

Value = float | list[int] | Vector | Matrix
V = TypeVar("V", float, Vector, Matrix)


class Example:
    """A computation and its result.

    Attributes:
        given: inputs and parameters by name.
        lines: name and value of each intermediate line, and of the result.
    """

    def __init__(self, given: Mapping[str, Value]) -> None:
        self.given = dict(given)
        self.lines: list[tuple[str, Value]] = []

    def show(self, name: str, value: V) -> V:
        """Add a line, and return its value."""
        self.lines.append((name, value))
        return value

    def result(self, name: str, value: Value) -> "Example":
        """Add the last line, the result of the formulation; return the example."""
        self.lines.append((name, value))
        return self


def number(x: float) -> str:
    """A number with four significant digits; -0 is printed as 0."""
    return f"{round(x, 12) + 0.0:.4g}"


def render(value: Value) -> str:
    """A value as a Python literal, with four significant digits."""
    if isinstance(value, list):
        return f"[{', '.join(map(render, value))}]"
    return number(value)
