"""Explains a part: its description, its equation in plain Python, and a worked example."""

import inspect
from dataclasses import dataclass

from seqtool.equations.example import Example, render
from seqtool.equations.examples import find_example, find_formulation
from seqtool.registry import Registered
from seqtool.registry.describe import Description, describe


@dataclass(frozen=True)
class Explanation:
    """The description of a part, its plain-Python source (empty if there is none), and a worked example or None."""

    description: Description
    code: str
    example: Example | None


def explain(part: Registered) -> Explanation:
    """Explain a part. Only the built-in parts have plain-Python code and an example."""
    description = describe(part.load())
    if not part.target.startswith("seqtool_") or part.plugin.distribution not in ("seqtool", ""):
        return Explanation(description, "", None)
    formulation, example = find_formulation(part.kind, part.name), find_example(part.kind, part.name)
    code = inspect.getsource(formulation) if formulation else ""
    return Explanation(description, code.rstrip(), example() if example else None)


def example_lines(example: Example) -> list[str]:
    """Lines `name = value`: the given values, an empty line, the computation."""
    given = list(example.given.items())
    width = max(len(name) for name, _ in [*given, *example.lines])
    return [
        *(f"{name.ljust(width)} = {render(value)}" for name, value in given),
        "",
        *(f"{name.ljust(width)} = {render(value)}" for name, value in example.lines),
    ]
