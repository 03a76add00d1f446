"""Times contestants in turn, so that changes in machine speed affect all of them."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

MIN_SECONDS = 0.2
"""Minimum duration of one timing; steps are repeated to reach it."""
WARMUP = 3


@dataclass(frozen=True)
class Contestant:
    """An implementation to time. `prepare` builds it and returns the step to time, or raises `AbsentError`."""

    name: str
    prepare: Callable[[], Callable[[], Any]]


@dataclass(frozen=True)
class Race:
    """Several implementations of the same computation.

    Attributes:
        bounds: `(name, other, factor)`: `name` should be at least `factor` times as fast as `other`.
        note: returns additional lines for a result.
    """

    name: str
    contestants: Sequence[Contestant]
    bounds: Sequence[tuple[str, str, float]] = ()
    note: "Callable[[Result], list[str]] | None" = None


@dataclass
class Result:
    """The times of a race, in milliseconds per step for each round and contestant, and why contestants are absent."""

    name: str
    times: dict[str, list[float]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    bounds: list[tuple[str, str, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def median(self, name: str) -> float:
        """The median in milliseconds per step."""
        return statistics.median(self.times[name])

    def ratio(self, name: str, other: str) -> tuple[float, float, float]:
        """How many times as fast `name` is as `other`: median, minimum and maximum over rounds."""
        ratios = [b / a for a, b in zip(self.times[name], self.times[other], strict=True)]
        return statistics.median(ratios), min(ratios), max(ratios)

    def as_json(self) -> dict[str, Any]:
        """Times, medians, and the ratios of all pairs."""
        names = list(self.times)
        return asdict(self) | {
            "medians": {name: self.median(name) for name in names},
            "ratios": {f"{a} over {b}": self.ratio(a, b) for a in names for b in names if a != b},
        }


class AbsentError(Exception):
    """This contestant cannot run here; the message says why."""


def run(
    race: Race, rounds: int, min_seconds: float = MIN_SECONDS, synchronize: Callable[[], Any] = lambda: None
) -> Result:
    """Time each contestant once per round. The order rotates by one in each round.

    `synchronize` waits for a device; it is called before and after each timing.
    """
    result, steps, repeats = Result(race.name, bounds=list(race.bounds)), {}, {}
    for contestant in race.contestants:
        try:
            step = contestant.prepare()
        except AbsentError as absent:
            result.absent[contestant.name] = str(absent)
            continue
        for _ in range(WARMUP if min_seconds else 1):
            step()
        once = max(_seconds(step, 1, synchronize), 1e-6)
        steps[contestant.name], repeats[contestant.name] = step, max(1, round(min_seconds / once))
        result.times[contestant.name] = []
    names = list(steps)
    for k in range(rounds):
        for name in names[k % len(names) :] + names[: k % len(names)]:
            result.times[name].append(1000 * _seconds(steps[name], repeats[name], synchronize) / repeats[name])
    if race.note:
        result.notes = race.note(result)
    return result


def _seconds(step: Callable[[], Any], repeats: int, synchronize: Callable[[], Any]) -> float:
    synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        step()
    synchronize()
    return time.perf_counter() - start
