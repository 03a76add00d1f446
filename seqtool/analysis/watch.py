"""Progress of a run, read from its files: the rows of metrics.csv, write times, and whether a process holds the run."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from seqtool.errors import SeqtoolError
from seqtool.runs import SeedDirectory
from seqtool.runs.contents import Seed
from seqtool.runs.parse import read_rows
from seqtool.runs.read import RunReader

RECENT_ROWS = 20
"""Number of last rows that the speed is computed from."""
MIN_STALL_SECONDS = 60.0
"""A shorter time without a new row never counts as a stall."""
REMOTE_SECONDS = 10.0
"""For this long after a write, a run that no local process holds may be in training on another machine."""


@dataclass(frozen=True)
class SeedProgress:
    """Progress of one seed of one variant.

    Attributes:
        state: "finished"; "waiting", not begun; "training"; "stalled", held by a process that has long written nothing;
            "stopped", begun, not finished and held by no process (killed or interrupted); "silent", stalled or stopped,
            where the system does not report which process holds a file.
        seconds_since_write: None before the first write.
        step, steps: steps done, and `train.steps`.
        validation: `step` and the `valid_*` columns of the last validation.
        ended: finished, or stopped for longer than the stall limit. Locks of other machines are invisible, so a run
            that another machine writes to rarely may be "stopped" before that.
    """

    variant: str
    seed: int
    state: str
    seconds_since_write: float | None = None
    step: int = 0
    steps: int | None = None
    loss: float | None = None
    accuracy: float | None = None
    losses: list[float] = field(default_factory=list)
    validation: dict[str, float] = field(default_factory=dict)
    steps_per_second: float | None = None
    seconds_left: float | None = None
    ended: bool = False


@dataclass(frozen=True)
class RunProgress:
    """Progress of all seeds of a run, and the files that could not be read."""

    seeds: list[SeedProgress]
    problems: list[str]

    @property
    def ended(self) -> bool:
        """Whether nothing more will be written: all seeds have ended, or one was stopped and the others wait for it."""
        states = {seed.state for seed in self.seeds if seed.ended}
        idle = all(seed.ended or seed.state == "waiting" for seed in self.seeds)
        return bool(states) and idle and ("stopped" in states or all(seed.ended for seed in self.seeds))

    def plain(self) -> dict[str, Any]:
        """The content of `seqtool watch --json`."""
        return {"seeds": [asdict(seed) for seed in self.seeds], "problems": self.problems}


class _RowsReader(RunReader):
    """Skips predictions and weights, which are large and written last."""

    def read_seed(self, variant: str, number: int) -> Seed:
        place = self.directory.seed(variant, number)
        seed = Seed(variant, number, finished=place.finished)
        if place.metrics.exists():
            seed.rows = self._try_read(place.metrics, read_rows) or {}
        if seed.finished:
            seed.result = self._object(place.result)
        return seed


def is_held(path: Path, locks: Path = Path("/proc/locks")) -> bool | None:
    """Whether a process of this machine holds a lock file; None if the system does not report it.

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


def read_progress(path: Path, now: float | None = None, held: Callable[[Path], bool | None] = is_held) -> RunProgress:
    """Read the progress of a run at the time `now`, in seconds since the epoch.

    Args:
        held: whether a process holds the lock file of the run, None if unknown.

    Raises:
        SeqtoolError: the folder is not a run.
    """
    if not path.is_dir():
        raise SeqtoolError(f"{path} is not a run: there is no such folder")
    reader = _RowsReader(path)
    run = reader.read()
    if not run.plan and not run.seeds:
        raise SeqtoolError(f"{path} is not a run: it has no run.json, and no seeds in <variant>/seed<k>")
    now = time.time() if now is None else now
    holder = held(reader.directory.lock)
    seeds = [
        _progress(reader.directory.seed(name, seed.seed), seed, _steps(run.resolved[name]), now, holder)
        for name, found in run.variants.items()
        for seed in found
    ]
    return RunProgress(seeds, run.problems)


def _progress(place: SeedDirectory, seed: Seed, steps: int | None, now: float, held: bool | None) -> SeedProgress:
    writes = [
        written
        for path in (place.metrics, place.last_checkpoint, place.result)
        if (written := _write_time(path)) is not None
    ]
    silent = max(0.0, now - max(writes)) if writes else None
    seconds = seed.rows.get("seconds", {})
    losses, accuracies = seed.rows.get("train_loss", {}), seed.rows.get("train_token_accuracy", {})
    step, speed, limit = max(seconds, default=0), _speed(seconds), _stall_limit(seconds)
    state = "finished" if seed.finished else "waiting" if silent is None else _state(limit, silent, held)
    running = state in ("training", "stalled", "silent")
    return SeedProgress(
        variant=seed.variant,
        seed=seed.seed,
        state=state,
        seconds_since_write=silent,
        step=step,
        steps=steps,
        loss=next(reversed(losses.values()), None),
        accuracy=next(reversed(accuracies.values()), None),
        losses=list(losses.values()),
        validation=_last_validation(seed.rows),
        steps_per_second=speed,
        seconds_left=(steps - step) / speed if steps and speed and running else None,
        ended=state == "finished" or (state == "stopped" and silent is not None and silent > limit),
    )


def _stall_limit(seconds: Mapping[int, float]) -> float:
    """How many seconds without a row count as a stall, from the intervals between the rows so far."""
    gaps = [after - before for before, after in pairwise(seconds.values())]
    return max(MIN_STALL_SECONDS, 10 * median(gaps), 3 * max(gaps)) if gaps else 5 * MIN_STALL_SECONDS


def _state(limit: float, silent: float, held: bool | None) -> str:
    """The state of a seed that has begun and is not finished."""
    if held is False and silent > REMOTE_SECONDS:
        return "stopped"
    if silent <= limit:
        return "training"
    return "stalled" if held else "silent"


def _speed(seconds: Mapping[int, float]) -> float | None:
    """Steps per second over the last rows."""
    recent = list(seconds.items())[-RECENT_ROWS:]
    if not recent:
        return None
    (first, begun), (last, ended) = recent[0] if len(recent) > 1 else (0, 0.0), recent[-1]
    return (last - first) / (ended - begun) if ended > begun else None


def _last_validation(rows: Mapping[str, Mapping[int, float]]) -> dict[str, float]:
    last = max(rows.get("valid_loss", {}), default=None)
    if last is None:
        return {}
    values = {name: column[last] for name, column in rows.items() if name.startswith("valid_") and last in column}
    return {"step": last, **values}


def _steps(resolved: str) -> int | None:
    """`train.steps` of a resolved recipe; None if it cannot be read."""
    try:
        return int(yaml.load(resolved, yaml.BaseLoader)["train"]["steps"])
    except (yaml.YAMLError, RecursionError, TypeError, KeyError, ValueError):
        return None


def _write_time(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None
