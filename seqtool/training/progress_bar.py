"""The progress bar: step, loss, accuracy, steps per second, time left."""

import sys
from types import TracebackType

from tqdm import tqdm


class Bar:
    """A bar on stderr that moves with every row of metrics; nothing is fetched from the device for it."""

    def __init__(self, label: str, steps: int, done: int, show: bool) -> None:
        form = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{rate_fmt}, {remaining} left]{postfix}"
        self._bar = tqdm(
            total=steps, initial=done, desc=label, disable=not show, file=sys.stderr, unit=" steps",
            bar_format=form, dynamic_ncols=True, mininterval=0.2,
        )  # fmt: skip

    def __enter__(self) -> "Bar":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def show(self, row: dict[str, float]) -> None:
        """Move to a row's step."""
        text = f"loss {row['train_loss']:.4f}"
        if "train_token_accuracy" in row:
            text += f", accuracy {row['train_token_accuracy']:.3f}"
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(int(row["step"]) - self._bar.n)
