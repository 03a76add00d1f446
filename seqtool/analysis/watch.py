"""What a run in training does now, told by its files: last rows, last writes, and who holds it."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from seqtool.analysis.report.visible_symbols import visible
from seqtool.errors import SeqtoolError
from seqtool.runs import SeedDirectory
from seqtool.runs.contents import Seed
from seqtool.runs.parse import read_rows
from seqtool.runs.read import Reader

BARS, PLAIN_BARS = "▁▂▃▄▅▆▇█", "_.-=+*#@"
"""For losses from the lowest to the highest; the second where the terminal has no blocks."""
WIDE = 16
RECENT = 20
"""Rows that the pace is taken from."""
PATIENCE = 60.0
"""Seconds without a new row that are never called a standstill."""
FRESH = 10.0
"""Seconds after a write in which a run that nobody here holds may yet be trained on another machine."""


@dataclass(frozen=True)
class Now:
    """One seed of one variant.

    Attributes:
        state: "finished"; "waiting", not begun; "training"; "stalled", held by a process that has long written nothing;
            "stopped", begun, not finished, and held by no process (killed or interrupted); "silent", the last two where
            the system does not tell who holds a file.
        silent: seconds since the last write, None where there is none.
        step, steps: how far of how far. pace: steps a second. left: seconds to go.
        valid: the last validation's figures, `step` among them.
        over: finished; or stopped, and for longer than it ever waited between two rows: who does not see the locks of
            another machine may call stopped what only writes seldom.
    """

    variant: str
    seed: int
    state: str
    silent: float | None = None
    step: int = 0
    steps: int | None = None
    loss: float | None = None
    accuracy: float | None = None
    losses: list[float] = field(default_factory=list)
    valid: dict[str, float] = field(default_factory=dict)
    pace: float | None = None
    left: float | None = None
    over: bool = False


@dataclass(frozen=True)
class Look:
    """All seeds of a run, whether anything of it is to come, and what could not be read."""

    seeds: list[Now]
    problems: list[str]

    @property
    def over(self) -> bool:
        """Whether nothing is to come: every seed is over, or waits behind one that was stopped."""
        states = {seed.state for seed in self.seeds if seed.over}
        behind = all(seed.over or seed.state == "waiting" for seed in self.seeds)
        return bool(states) and behind and ("stopped" in states or all(seed.over for seed in self.seeds))

    def plain(self) -> dict[str, Any]:
        """What `seqtool watch --json` prints."""
        return {"seeds": [asdict(seed) for seed in self.seeds], "problems": self.problems}


class _RowsReader(Reader):
    """Reads no predictions and no weights: they come last, and are large."""

    def _seed(self, variant: str, number: int) -> Seed:
        place = self.directory.seed(variant, number)
        seed = Seed(variant, number, finished=place.finished)
        if place.metrics.exists():
            seed.rows = self._guarded(place.metrics, read_rows) or {}
        if seed.finished:
            seed.result = self._object(place.result)
        return seed


def is_held(path: Path, locks: Path = Path("/proc/locks")) -> bool | None:
    """Whether a process of this machine holds a lock file; None where the system does not report it.

    `/proc/locks` is read because taking the lock, even for a moment, could keep a training from starting.
    """
    try:
        lines = locks.read_text().splitlines()
        inode = path.stat().st_ino
    except FileNotFoundError:
        return None if not locks.exists() else False
    except OSError:
        return None
    return any(len(words := line.split()) > 5 and words[5].rpartition(":")[2] == str(inode) for line in lines)


def look(path: Path, now: float | None = None, held: Callable[[Path], bool | None] = is_held) -> Look:
    """What a run does at the time `now`.

    Args:
        held: whether a process holds the run's lock file, None where that cannot be known.

    Raises:
        SeqtoolError: there is nothing of a run.
    """
    if not path.is_dir():
        raise SeqtoolError(f"{path} is not a run: there is no such folder")
    reader = _RowsReader(path)
    run = reader.read()
    if not run.plan and not run.seeds:
        raise SeqtoolError(f"{path} is not a run: it has no run.json, and no seeds in <variant>/seed<k>")
    moment = time.time() if now is None else now
    holder = held(reader.directory.lock)
    seeds = [
        _now(reader.directory.seed(name, seed.seed), seed, _steps(run.resolved[name]), moment, holder)
        for name, found in run.variants.items()
        for seed in found
    ]
    return Look(seeds, run.problems)


def _now(place: SeedDirectory, seed: Seed, steps: int | None, moment: float, held: bool | None) -> Now:
    written = [time for path in (place.metrics, place.last, place.result) if (time := _written(path)) is not None]
    silent = max(0.0, moment - max(written)) if written else None
    losses, seconds = seed.rows.get("train_loss", {}), seed.rows.get("seconds", {})
    accuracies, step = seed.rows.get("train_token_accuracy", {}), max(seconds, default=0)
    pace = _pace(seconds)
    waits = _patience(seconds)
    state = "finished" if seed.finished else "waiting" if silent is None else _state(waits, silent, held)
    left = (steps - step) / pace if steps and pace and state in ("training", "stalled", "silent") else None
    return Now(
        variant=seed.variant,
        seed=seed.seed,
        state=state,
        silent=silent,
        step=step,
        steps=steps,
        loss=next(reversed(losses.values()), None),
        accuracy=next(reversed(accuracies.values()), None),
        losses=list(losses.values()),
        valid=_validated(seed.rows),
        pace=pace,
        left=left,
        over=state == "finished" or (state == "stopped" and silent is not None and silent > waits),
    )


def _patience(seconds: Mapping[int, float]) -> float:
    """For how many seconds no row is no standstill, by how often rows came."""
    gaps = [after - before for before, after in pairwise(seconds.values())]
    return max(PATIENCE, 10 * median(gaps), 3 * max(gaps)) if gaps else 5 * PATIENCE


def _state(waits: float, silent: float, held: bool | None) -> str:
    """Of a seed that is begun and not finished: whether rows still come, and whether anyone could write them."""
    if held is False and silent > FRESH:
        return "stopped"
    if silent <= waits:
        return "training"
    return "stalled" if held else "silent"


def _pace(seconds: Mapping[int, float]) -> float | None:
    """Steps a second over the last rows."""
    recent = list(seconds.items())[-RECENT:]
    if not recent:
        return None
    (first, begun), (last, ended) = recent[0] if len(recent) > 1 else (0, 0.0), recent[-1]
    return (last - first) / (ended - begun) if ended > begun else None


def _validated(rows: Mapping[str, Mapping[int, float]]) -> dict[str, float]:
    """The last validation."""
    last = max(rows.get("valid_loss", {}), default=None)
    if last is None:
        return {}
    return {
        "step": last,
        **{name: values[last] for name, values in rows.items() if name[:6] == "valid_" and last in values},
    }


def _steps(resolved: str) -> int | None:
    """`train.steps` of a resolved recipe, where it can be read."""
    try:
        steps = yaml.load(resolved, yaml.BaseLoader)["train"]["steps"]
        return int(steps)
    except (yaml.YAMLError, RecursionError, TypeError, KeyError, ValueError):
        return None


def _written(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def spark(values: Sequence[float], bars: str = BARS, wide: int = WIDE) -> str:
    """Values as a line of bars, each the mean of its share of them."""
    count = min(wide, len(values))
    parts = [values[i * len(values) // count : (i + 1) * len(values) // count] for i in range(count)]
    means = [sum(part) / len(part) for part in parts]
    low, high = min(means, default=0.0), max(means, default=0.0)
    scale = (len(bars) - 1) / (high - low) if high > low else 0
    return "".join(bars[round((mean - low) * scale)] for mean in means)


HEADING = ("variant", "seed", "state", "step", "loss", "", "accuracy", "validation", "steps/s", "left")


def table(found: Look, bars: str = BARS) -> list[tuple[str, ...]]:
    """A line a seed, under `HEADING`."""
    return [_line(seed, bars) for seed in found.seeds]


def _line(seed: Now, bars: str) -> tuple[str, ...]:
    quiet = (
        f" {duration(seed.silent)}"
        if seed.state in ("stalled", "silent", "stopped") and seed.silent is not None
        else ""
    )
    share = f" {100 * seed.step / seed.steps:.0f} %" if seed.steps else ""
    return (
        visible(seed.variant),
        str(seed.seed),
        f"{seed.state}{quiet}",
        f"{seed.step}/{seed.steps or '?'}{share}",
        _figure(seed.loss),
        spark(seed.losses, bars),
        _figure(seed.accuracy, 3),
        _validation(seed.valid),
        "-" if seed.pace is None else f"{seed.pace:.1f}",
        "-" if seed.left is None else duration(seed.left),
    )


def _validation(valid: Mapping[str, float]) -> str:
    if not valid:
        return "-"
    parts = [_figure(valid["valid_loss"])]
    parts += [
        f"{short} {valid[name]:.3f}"
        for name, short in (("valid_token_accuracy", "tokens"), ("valid_sequence_accuracy", "sequences"))
        if name in valid
    ]
    return f"{', '.join(parts)} at {valid['step']:.0f}"


def _figure(value: float | None, places: int = 4) -> str:
    return "-" if value is None else f"{value:.{places}f}"


def duration(seconds: float) -> str:
    """`95` -> `1m35s`."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
