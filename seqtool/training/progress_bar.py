"""Progress of one training and of several jobs on stderr: a bar in a terminal, and lines in a file or pipe."""

import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

from tqdm import tqdm

from seqtool.statistics.number_text import number_text

NARROW = 100
"""Terminals with fewer columns get a short label and no bar, so that the line is not cut."""
NARROW_LABEL = 16
WIDE_FORM = "{{desc}} {{percentage:3.0f}}%|{{bar}}|{count} [{{rate_fmt}}, {{remaining}} left]{{postfix}}"
NARROW_FORM = "{desc} {percentage:3.0f}% {rate_fmt}, {remaining} left{postfix}"
LINES = 10
"""Number of lines in a file or pipe."""


class _Stderr:
    """Standard error that ignores failed writes, because they must not end a training."""

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


class _Progress:
    """Shows the number of completed steps; nothing if `show` is false or there is no stderr."""

    def __init__(self, label: str, steps: int, done: int, show: bool, count: str = "") -> None:
        """`count` is the part of tqdm's format that gives the number of steps, if the label does not contain it."""
        self._label, self._steps, self._done, self._count = label, steps, done, count
        show = show and sys.stderr is not None
        terminal = show and sys.stderr.isatty()
        self._stream = _Stderr()
        self._writes_lines = show and not terminal
        narrow = shutil.get_terminal_size().columns < NARROW
        if narrow and terminal and count:
            self._label = label if len(label) <= NARROW_LABEL else f"...{label[3 - NARROW_LABEL :]}"
        self._bar = tqdm(
            total=steps, initial=done, desc=self._label, disable=not terminal, file=self._stream, unit=" steps",
            bar_format=NARROW_FORM if narrow else WIDE_FORM.format(count=count), dynamic_ncols=True, mininterval=0.2,
        )  # fmt: skip

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def _move(self, done: int, label: str, text: str = "") -> None:
        """Show that `done` steps are completed."""
        if self._writes_lines and done * LINES // self._steps > self._done * LINES // self._steps:
            count = f": {done} of {self._steps} steps" if self._count else ""
            self._stream.write(f"{label}{count}{', ' * bool(text)}{text}\n")
            self._stream.flush()
        self._done = done
        self._bar.set_description_str(label, refresh=False)
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(done - self._bar.n)


class TrainingBar(_Progress):
    """Progress of one training, updated with every row of metrics. It fetches nothing from the device itself."""

    def __init__(self, label: str, steps: int, done: int, show: bool) -> None:
        super().__init__(label, steps, done, show, count=" {n_fmt}/{total_fmt}")

    def __enter__(self) -> "TrainingBar":
        return self

    def show(self, row: dict[str, float]) -> None:
        """Move to the step of `row` and show its loss and accuracy."""
        text = f"loss {number_text(row['train_loss'])}"
        if "train_token_accuracy" in row:
            text += f", accuracy {row['train_token_accuracy']:.3f}"
        self._move(int(row["step"]), self._label, text)


class JobsBar(_Progress):
    """Progress of all jobs together."""

    def __init__(self, steps: Sequence[int], show: bool) -> None:
        """`steps` are the number of steps of each job."""
        self._job_steps, self._job_done, self._finished = steps, [0] * len(steps), 0
        super().__init__(self._jobs_label(), sum(steps), 0, show)

    def __enter__(self) -> "JobsBar":
        return self

    def show(self, job: int, step: int) -> None:
        """Move job number `job` to `step`."""
        self._job_done[job] = step
        self._move(sum(self._job_done), self._jobs_label())

    def finish(self, job: int) -> None:
        """Count job number `job` as finished, with all of its steps even if early stopping ended it."""
        self._finished += 1
        self.show(job, self._job_steps[job])

    def _jobs_label(self) -> str:
        jobs = f"{self._finished} of {len(self._job_steps)} jobs"
        return f"{jobs}, {sum(self._job_done):,} of {sum(self._job_steps):,} steps"
