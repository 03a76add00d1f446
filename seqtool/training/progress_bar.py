"""Progress bars of one training and of several jobs."""

import sys
from collections.abc import Sequence
from types import TracebackType

from tqdm import tqdm


class TrainingBar:
    """A progress bar on stderr, updated with every row of metrics. It fetches nothing from the device itself."""

    def __init__(self, label: str, steps: int, done: int, show: bool) -> None:
        bar_format = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{rate_fmt}, {remaining} left]{postfix}"
        self._bar = tqdm(
            total=steps, initial=done, desc=label, disable=not show, file=sys.stderr, unit=" steps",
            bar_format=bar_format, dynamic_ncols=True, mininterval=0.2,
        )  # fmt: skip

    def __enter__(self) -> "TrainingBar":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def show(self, row: dict[str, float]) -> None:
        """Move to the step of `row` and show its loss and accuracy."""
        text = f"loss {row['train_loss']:.4f}"
        if "train_token_accuracy" in row:
            text += f", accuracy {row['train_token_accuracy']:.3f}"
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(int(row["step"]) - self._bar.n)


class JobsBar:
    """One progress bar on stderr for the steps of all jobs."""

    def __init__(self, steps: Sequence[int], show: bool) -> None:
        """`steps` are the number of steps of each job."""
        self._steps, self._done, self._finished = steps, [0] * len(steps), 0
        bar_format = "{desc} {percentage:3.0f}%|{bar}| [{rate_fmt}, {remaining} left]"
        self._bar = tqdm(
            total=sum(steps), desc=self._label(), disable=not show, file=sys.stderr, unit=" steps",
            bar_format=bar_format, dynamic_ncols=True, mininterval=0.2,
        )  # fmt: skip

    def __enter__(self) -> "JobsBar":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def show(self, job: int, step: int) -> None:
        """Move job number `job` to `step`."""
        self._done[job] = step
        self._move()

    def finish(self, job: int) -> None:
        """Count job number `job` as finished, with all of its steps even if early stopping ended it."""
        self._done[job] = self._steps[job]
        self._finished += 1
        self._move()

    def _move(self) -> None:
        self._bar.set_description_str(self._label(), refresh=False)
        self._bar.update(sum(self._done) - self._bar.n)

    def _label(self) -> str:
        jobs = f"{self._finished} of {len(self._steps)} jobs"
        return f"{jobs}, {sum(self._done):,} of {sum(self._steps):,} steps"
