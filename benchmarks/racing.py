"""Contestants timed in turn: what drifts, drifts for all of them."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

SHORTEST = 0.2
"""Seconds that one timing lasts at the least: steps are repeated until they take as long."""
WARMUP = 3


@dataclass(frozen=True)
class Contestant:
    """What does the work: `prepare` builds it and gives the step that is timed, or raises `AbsentError`."""

    name: str
    prepare: Callable[[], Callable[[], Any]]


@dataclass(frozen=True)
class Race:
    """The same work, done by several.

    `bounds`: who is to be faster than whom, and how many times at the least.
    `note`: what else there is to say of the result, in lines.
    """

    name: str
    contestants: Sequence[Contestant]
    bounds: Sequence[tuple[str, str, float]] = ()
    note: "Callable[[Result], list[str]] | None" = None


@dataclass
class Result:
    """A race's times in milliseconds a step, one a round, by contestant; who was absent, and why."""

    name: str
    times: dict[str, list[float]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    bounds: list[tuple[str, str, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def median(self, name: str) -> float:
        """Milliseconds a step."""
        return statistics.median(self.times[name])

    def ratio(self, name: str, other: str) -> tuple[float, float, float]:
        """How many times faster `name` is than `other`: the median of the rounds' ratios, the least and the largest."""
        ratios = [b / a for a, b in zip(self.times[name], self.times[other], strict=True)]
        return statistics.median(ratios), min(ratios), max(ratios)

    def as_json(self) -> dict[str, Any]:
        """Times, medians, and the ratio of every pair."""
        names = list(self.times)
        return asdict(self) | {
            "medians": {name: self.median(name) for name in names},
            "ratios": {f"{a} over {b}": self.ratio(a, b) for a in names for b in names if a != b},
        }


class AbsentError(Exception):
    """This contestant cannot run here; the message says why."""


def run(race: Race, rounds: int, shortest: float = SHORTEST, synchronize: Callable[[], Any] = lambda: None) -> Result:
    """Time each contestant once a round, in an order that moves on by one from round to round.

    `synchronize` waits for a device; it is called before and after the repeats that are timed.
    """
    result, steps, repeats = Result(race.name, bounds=list(race.bounds)), {}, {}
    for contestant in race.contestants:
        try:
            step = contestant.prepare()
        except AbsentError as absent:
            result.absent[contestant.name] = str(absent)
            continue
        for _ in range(WARMUP if shortest else 1):
            step()
        once = max(_seconds(step, 1, synchronize), 1e-6)
        steps[contestant.name], repeats[contestant.name] = step, max(1, round(shortest / once))
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
    begun = time.perf_counter()
    for _ in range(repeats):
        step()
    synchronize()
    return time.perf_counter() - begun
