"""Stopping a training by Ctrl-C, or by SIGTERM from a scheduler."""

import signal
import threading
from types import FrameType, TracebackType

import pytorch_lightning as pl
import torch

AGREE_EVERY = 10
"""Steps between two exchanges of the stop request among ranks."""


class Interrupted(BaseException):
    """Training stopped on request. Like KeyboardInterrupt it is no `Exception`, which a part may catch.

    Attributes:
        saved: whether the last checkpoint contains all completed steps.
    """

    def __init__(self, *, saved: bool) -> None:
        super().__init__()
        self.saved = saved


class StopSignal:
    """Context manager: the first Ctrl-C or SIGTERM sets `requested`, the second raises `Interrupted` immediately.

    Attributes:
        immediate: whether the first signal raises too, because there is nothing to save.
        handled: the number of signals so far.
    """

    def __init__(self) -> None:
        self.requested = False
        self.immediate = False
        self.handled = 0
        self._previous_handlers: dict[int, object] = {}

    def __enter__(self) -> "StopSignal":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous_handlers[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def agreed(self, trainer: pl.Trainer, step: int) -> bool:
        """Whether to stop after `step`. Ranks agree on it every `AGREE_EVERY` steps."""
        if trainer.world_size == 1:
            return self.requested
        if step % AGREE_EVERY:
            return False
        flag = torch.tensor(float(self.requested), device=trainer.strategy.root_device)
        return bool(trainer.strategy.reduce(flag, reduce_op="sum") > 0)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.handled += 1
        if self.requested or self.immediate:
            raise Interrupted(saved=self.immediate)
        self.requested = True


class KeepHandlers(pl.Callback):
    """Keeps the present handler of SIGTERM during a training.

    Lightning adds its own, which ends a validation by an exception, at a step that is then neither complete nor saved.
    """

    def __init__(self) -> None:
        self._handler = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Replace Lightning's handler. Lightning restores the handlers that it found after the training."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._handler)
