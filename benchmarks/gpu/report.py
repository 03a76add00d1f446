"""Work that is done item by item within a time budget, whatever fails."""

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
LINES = 12
"""How much of a failure is printed."""


@dataclass
class Outcome:
    """What became of one item; `data` is for the JSON file, `lines` are printed."""

    name: str
    status: Status
    seconds: float = 0.0
    lines: list[str] = field(default_factory=list)
    data: Any = None

    def as_json(self) -> dict[str, Any]:
        """Everything."""
        return asdict(self)


@dataclass(frozen=True)
class Item:
    """A piece of work: `run` returns lines and data, or raises.

    Attributes:
        most: seconds after which it is stopped.
    """

    name: str
    run: Callable[[], tuple[list[str], Any]]
    most: float = 60.0


class SkippedError(Exception):
    """An item that cannot be done here; the message says why."""


class FailedError(Exception):
    """An item that found what is wrong: its message is printed without a traceback."""


class TooLongError(Exception):
    """An item, or part of one, was stopped."""


@dataclass(frozen=True)
class Setting:
    """Where and how large: what every section is given.

    Attributes:
        device: where to compute.
        quick: tiny sizes, one round; the times mean nothing.
        deadline: `time.monotonic()` at which the section's budget ends.
    """

    device: torch.device
    quick: bool
    deadline: float

    @property
    def left(self) -> float:
        """Seconds of the budget."""
        return self.deadline - time.monotonic()

    def synchronize(self) -> None:
        """Wait for the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def free(self) -> None:
        """Give cached memory back to the device."""
        if self.device.type == "cuda":
            gc.collect()
            torch.cuda.empty_cache()


def carried_out(items: Iterator[Item], setting: Setting) -> Iterator[Outcome]:
    """The outcome of each item, failures included; skips what the budget no longer allows."""
    for item in items:
        if setting.left <= 0:
            yield Outcome(item.name, "skipped", lines=["no time left"])
            continue
        begun = time.monotonic()
        try:
            with stopped_after(min(item.most, setting.left)):
                lines, data = item.run()
            outcome = Outcome(item.name, "passed", lines=lines, data=data)
        except SkippedError as error:
            outcome = Outcome(item.name, "skipped", lines=[str(error)])
        except TooLongError:
            outcome = Outcome(item.name, "skipped", lines=[f"stopped after {time.monotonic() - begun:.0f} s"])
        except FailedError as error:
            outcome = Outcome(item.name, "failed", lines=str(error).splitlines()[:LINES], data=str(error))
        except Exception as error:  # one failing item must not end the others
            outcome = Outcome(item.name, "failed", lines=described(error), data=traceback.format_exc())
        outcome.seconds = round(time.monotonic() - begun, 2)
        yield outcome
        setting.free()


def described(error: BaseException) -> list[str]:
    """The first lines of an error, and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    first = f"{type(error).__name__}: {error}".splitlines()[:LINES]
    return first + [f"  at {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]


@contextmanager
def stopped_after(seconds: float) -> Iterator[None]:
    """Raise `TooLongError` in the main thread after so many seconds, or when an outer limit is reached."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> None:
        raise TooLongError

    before = signal.signal(signal.SIGALRM, stop)
    begun, outer = time.monotonic(), signal.getitimer(signal.ITIMER_REAL)[0]
    signal.setitimer(signal.ITIMER_REAL, max(min(seconds, outer) if outer else seconds, 0.01))
    try:
        yield
    finally:
        left = max(outer - (time.monotonic() - begun), 0.01) if outer else 0.0
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, left)
