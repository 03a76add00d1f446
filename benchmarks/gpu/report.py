"""Runs items one by one within a time budget; a failing item does not end the others."""

import gc
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch

Status = Literal["passed", "failed", "skipped"]
MAX_LINES = 12
"""Printed lines of a failure."""


@dataclass
class Outcome:
    """The outcome of one item. `lines` are printed, `data` is written to the JSON file."""

    name: str
    status: Status
    seconds: float = 0.0
    lines: list[str] = field(default_factory=list)
    data: Any = None

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)


@dataclass(frozen=True)
class Item:
    """One check or measurement. `run` returns lines and data, or raises.

    Attributes:
        most: time limit in seconds.
    """

    name: str
    run: Callable[[], tuple[list[str], Any]]
    most: float = 60.0


class SkippedError(Exception):
    """An item cannot run on this device; the message says why."""


class FailedError(Exception):
    """An item found a fault. The message is printed without a traceback."""


class TooLongError(Exception):
    """An item, or part of one, exceeded its time limit."""


@dataclass(frozen=True)
class Setting:
    """The settings of a section.

    Attributes:
        device: the device to test.
        quick: whether to use tiny sizes and one round; the times are then meaningless.
        deadline: `time.monotonic()` at which the section's budget ends.
    """

    device: torch.device
    quick: bool
    deadline: float

    @property
    def left(self) -> float:
        """Remaining seconds of the budget."""
        return self.deadline - time.monotonic()

    def synchronize(self) -> None:
        """Wait for the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def free(self) -> None:
        """Free cached device memory."""
        if self.device.type == "cuda":
            gc.collect()
            torch.cuda.empty_cache()


def run_items(items: Iterator[Item], setting: Setting) -> Iterator[Outcome]:
    """The outcome of each item, including failures. Items beyond the budget are skipped."""
    for item in items:
        if setting.left <= 0:
            yield Outcome(item.name, "skipped", lines=["no time left"])
            continue
        start = time.monotonic()
        try:
            with time_limit(min(item.most, setting.left)):
                lines, data = item.run()
            outcome = Outcome(item.name, "passed", lines=lines, data=data)
        except SkippedError as error:
            outcome = Outcome(item.name, "skipped", lines=[str(error)])
        except TooLongError:
            outcome = Outcome(item.name, "skipped", lines=[f"stopped after {time.monotonic() - start:.0f} s"])
        except FailedError as error:
            outcome = Outcome(item.name, "failed", lines=str(error).splitlines()[:MAX_LINES], data=str(error))
        except Exception as error:  # one failing item must not end the others
            outcome = Outcome(item.name, "failed", lines=describe(error), data=traceback.format_exc())
        outcome.seconds = round(time.monotonic() - start, 2)
        yield outcome
        setting.free()


def describe(error: BaseException) -> list[str]:
    """The first lines of an error, and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    first = f"{type(error).__name__}: {error}".splitlines()[:MAX_LINES]
    return first + [f"  at {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TooLongError` in the main thread after `seconds`, or when an outer limit is reached."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> None:
        raise TooLongError

    before = signal.signal(signal.SIGALRM, stop)
    start, outer = time.monotonic(), signal.getitimer(signal.ITIMER_REAL)[0]
    signal.setitimer(signal.ITIMER_REAL, max(min(seconds, outer) if outer else seconds, 0.01))
    try:
        yield
    finally:
        left = max(outer - (time.monotonic() - start), 0.01) if outer else 0.0
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, left)
