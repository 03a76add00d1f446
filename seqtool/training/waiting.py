"""Waits for other ranks: reports for which, and lets a signal end every wait."""

import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import ParallelStrategy

from seqtool.errors import SeqtoolError
from seqtool.training.lightning_internals import is_rank_zero
from seqtool.training.stopping import Interrupted, StopSignal

REPORT_AFTER = 30.0
"""Seconds of waiting for other ranks to connect after which this is reported."""
GRACE_CONNECTING = 1.0
GRACE_TRAINING = 20.0
"""Seconds in which the main thread must handle a signal, before and after all ranks are connected."""


class RankWait(pl.Callback):
    """Context manager around a training, which does nothing for a single rank.

    A rank that waits for another one is inside a C function, where Python handles no signals. A thread reads the
    signals instead, and ends the process if the main thread does not handle them. While ranks connect, nothing is
    trained, so the first signal ends the wait.
    """

    def __init__(self, trainer: pl.Trainer, stop: StopSignal) -> None:
        self._trainer, self._stop = trainer, stop
        self._connected = threading.Event()
        launcher = trainer.strategy.launcher
        own_script = launcher is None or not launcher.is_interactive_compatible  # not a fork of this process
        main_thread = threading.current_thread() is threading.main_thread()
        self._active = trainer.world_size > 1 and own_script and main_thread

    def __enter__(self) -> "RankWait":
        if self._active:
            if torch.distributed.is_initialized():  # by an earlier seed
                self._connected.set()
            elif self._stop.requested:
                raise Interrupted(saved=True)
            self._stop.immediate = not self._connected.is_set()
            self._signals, self._wakeup = socket.socketpair()
            self._wakeup.setblocking(False)
            self._previous = signal.set_wakeup_fd(self._wakeup.fileno(), warn_on_full_buffer=False)
            self._watcher = threading.Thread(target=self._watch, daemon=True)
            self._watcher.start()
            self._timer = threading.Timer(REPORT_AFTER, self._report)
            self._timer.daemon = True
            if not self._connected.is_set():
                self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._active:
            self._timer.cancel()
            signal.set_wakeup_fd(self._previous)
            self._wakeup.close()
            self._watcher.join()
            self._signals.close()
            self._stop.immediate = False
            if not self._connected.is_set():
                self._end_children()

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Called when all ranks are connected."""
        if self._active:
            self._timer.cancel()
            self._connected.set()
            self._stop.immediate = False

    def _watch(self) -> None:
        """End the process if a signal is not handled. The end of the stream ends this thread."""
        received, handled_before = 0, self._stop.handled
        while number := self._signals.recv(1):
            if number[0] not in (signal.SIGINT, signal.SIGTERM):
                continue
            received += 1
            self._signals.settimeout(GRACE_TRAINING if self._connected.is_set() else GRACE_CONNECTING)
            with suppress(TimeoutError):
                if not self._signals.recv(1, socket.MSG_PEEK):
                    return
            self._signals.settimeout(None)
            if self._stop.handled - handled_before < received:
                _print("error: stopped while waiting for other ranks; steps after the last checkpoint are not saved")
                self._end_children()
                os._exit(1)

    def _end_children(self) -> None:
        """End the ranks that Lightning started on this machine."""
        if self._trainer.strategy.launcher:
            self._trainer.strategy.launcher.kill(signal.SIGTERM)

    def _report(self) -> None:
        strategy = self._trainer.strategy
        assert isinstance(strategy, ParallelStrategy)
        assert strategy.cluster_environment
        address = f"{strategy.cluster_environment.main_address}:{strategy.cluster_environment.main_port}"
        text = (
            f"rank {strategy.global_rank} waits for all {strategy.world_size} ranks to connect to {address}\n"
            "    if one is missing: start the same command for each rank with srun or torchrun, or set "
            "train.devices: 1 and train.num_nodes: 1"
        )
        _print(text)


def share_result(produce: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Call `produce` on rank 0, and return its result on all ranks of the training that has ended.

    Raises:
        SeqtoolError: on the other ranks, if it failed on rank 0.
    """
    results: list[dict[str, Any] | None] = [None]
    try:
        if is_rank_zero():
            results[0] = produce()
    finally:
        torch.distributed.broadcast_object_list(results, src=0)
    if results[0] is None:
        raise SeqtoolError("rank 0 failed to write the results of the run")
    return results[0]


def _print(text: str) -> None:
    """Write to stderr, which the main thread may be using."""
    with suppress(OSError):
        os.write(2, f"{text}\n".encode())
