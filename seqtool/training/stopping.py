"""The wish to stop: Ctrl-C, or SIGTERM from a scheduler."""

import signal
import threading
from types import FrameType, TracebackType

import pytorch_lightning as pl
import torch

AGREE_EVERY = 10


class Interrupted(Exception):  # noqa: N818
    """Training stopped because someone asked for it; the last checkpoint says where."""


class StopSignal:
    """While entered, the first Ctrl-C or SIGTERM is noted, and the second ends the run at once."""

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> "StopSignal":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def agreed(self, trainer: pl.Trainer, step: int) -> bool:
        """Whether to stop after `step`. Several ranks ask one another every few steps, and all answer the same."""
        if trainer.world_size == 1:
            return self.requested
        if step % AGREE_EVERY:
            return False
        flag = torch.tensor(float(self.requested), device=trainer.strategy.root_device)
        return bool(trainer.strategy.reduce(flag, reduce_op="sum") > 0)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise Interrupted
        self.requested = True
