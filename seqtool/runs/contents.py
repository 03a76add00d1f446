"""What can be known of a run, whole or not: plain data between the reader and the page."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

Rows = dict[str, dict[int, float]]
"""Column -> step -> value; a value that is empty or not finite is left out."""


@dataclass
class Example:
    """One validation example. `predicted` is None where it is not known yet.

    `judged`: whether a symbol is right or not; values are more or less near, and `exact` is None of them.
    `correct`: the number of correct symbols, of the `tokens` of the accepted target nearest to the prediction; None if
    the file has none.
    """

    source: list[str]
    target: list[str]
    predicted: list[str] | None = None
    score: float | None = None
    exact: bool | None = None
    judged: bool = True
    correct: int | None = None
    tokens: int | None = None

    @property
    def accuracy(self) -> tuple[int, int]:
        """`correct` and `tokens`; compared with `target` if the file has none."""
        if self.correct is not None and self.tokens is not None:
            return self.correct, self.tokens
        pairs = zip(self.predicted or [], self.target, strict=False)
        return sum(one == other for one, other in pairs), len(self.target)


@dataclass
class Looks:
    """Where a model looked in the first examples: `weights [E, N, T, S]`, `memory_mask [E, S]`, `gold [E, T]`.

    `right [E, T]` where each symbol was judged alone, as under teacher forcing.
    """

    weights: Any
    memory_mask: Any
    gold: Any
    right: Any = None


@dataclass
class Seed:
    """What one seed of one variant left, as far as it can be read.

    `gates`: for each gate of a cell its values in the examples, `[E, steps, units]`, where the run kept them.
    """

    variant: str
    seed: int
    finished: bool = False
    result: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    rows: Rows = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)
    looks: Looks | None = None
    gates: dict[str, Any] = field(default_factory=dict)
    watched: list[Example] = field(default_factory=list)
    snapshots: dict[int, Looks] = field(default_factory=dict)
    interventions: dict[str, Any] = field(default_factory=dict)


@dataclass
class Run:
    """A run directory. `problems` says what could not be read, `notes` what is not there yet."""

    path: Path
    plan: dict[str, Any] = field(default_factory=dict)
    recipe: str = ""
    resolved: dict[str, str] = field(default_factory=dict)
    variants: dict[str, list[Seed]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def seeds(self) -> list[Seed]:
        """Those of all variants."""
        return [seed for seeds in self.variants.values() for seed in seeds]


def is_number(value: Any) -> TypeGuard[int | float]:
    """A finite number, which true and false are not."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an int beyond floats
        return False
