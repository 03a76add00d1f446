"""The contents of a run directory as plain data, as far as they could be read."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

Rows = dict[str, dict[int, float]]
"""Column -> step -> value. Empty and non-finite values are omitted."""


@dataclass
class Example:
    """One validation example.

    Attributes:
        predicted: None if there is no prediction yet.
        exact: whether the prediction is correct; None for continuous targets or without a prediction.
        symbolic: whether the target consists of symbols; False for continuous targets.
        correct: the number of correct symbols, of the `tokens` of the accepted target nearest to the prediction; None
            if the file has none.
    """

    source: list[str]
    target: list[str]
    predicted: list[str] | None = None
    score: float | None = None
    exact: bool | None = None
    symbolic: bool = True
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
class AttentionWeights:
    """Attention in the first examples: `weights [E, N, T, S]`, `memory_mask [E, S]`, `gold [E, T]`.

    `correct [E, T]`: whether each symbol is correct under teacher forcing; None for decoded predictions.
    """

    weights: Any
    memory_mask: Any
    gold: Any
    correct: Any = None


@dataclass
class Seed:
    """The files of one seed of one variant, as far as they could be read.

    Attributes:
        gates: for each gate of a cell its values in the examples `[E, steps, units]`, if the run kept them.
        snapshot_examples: the examples of `snapshots`.
    """

    variant: str
    seed: int
    finished: bool = False
    result: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    rows: Rows = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)
    attention: AttentionWeights | None = None
    gates: dict[str, Any] = field(default_factory=dict)
    snapshot_examples: list[Example] = field(default_factory=list)
    snapshots: dict[int, AttentionWeights] = field(default_factory=dict)
    interventions: dict[str, Any] = field(default_factory=dict)


@dataclass
class Run:
    """A run directory. `problems` lists what could not be read, `notes` what does not exist yet."""

    path: Path
    plan: dict[str, Any] = field(default_factory=dict)
    recipe: str = ""
    resolved: dict[str, str] = field(default_factory=dict)
    variants: dict[str, list[Seed]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def seeds(self) -> list[Seed]:
        """The seeds of all variants."""
        return [seed for seeds in self.variants.values() for seed in seeds]


def is_number(value: Any) -> TypeGuard[int | float]:
    """Whether `value` is a finite number and not a bool."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an int too large for a float
        return False
