"""A worker process: runs the jobs that its parent sends, one at a time."""

import os
import queue
import signal
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal

import torch

from seqtool.build.assembly import PreparedTasks
from seqtool.errors import SeqtoolError
from seqtool.launch.job import Job
from seqtool.recipe import Variant
from seqtool.registry import Registry, discover
from seqtool.registry.records import one_line
from seqtool.runs import RunDirectory
from seqtool.runs.resolved_variant import load_resolved_variant
from seqtool.training.stopping import Interrupted, StopSignal


@dataclass(frozen=True)
class WorkerSettings:
    """Settings of the parent process that a worker adopts, as plain data.

    Attributes:
        folder: the working directory.
        plugins: the arguments of `discover`.
        threads: number of torch threads.
    """

    folder: str
    plugins: dict[str, list[str]]
    threads: int


@dataclass(frozen=True)
class JobRequest:
    """A job as plain data. The worker loads the variant from the run directory, as `--resume` does."""

    run: Path
    variant: str
    seed: int
    device: str | None


@dataclass(frozen=True)
class Message:
    """A message from a worker to its parent.

    Attributes:
        kind: "ready" to start the first job; a "step" was completed; the job is "finished", "failed", or "stopped"
            with all completed steps saved.
        step: number of completed steps.
        error: the error message of a failure.
        traceback: its traceback.
        last: whether the worker exits after this failure, since the process may be in an invalid state.
    """

    kind: Literal["ready", "step", "finished", "failed", "stopped"]
    step: int = 0
    error: str = ""
    traceback: str = ""
    last: bool = False


def run_worker(connection: Connection, settings: WorkerSettings) -> None:
    """Run jobs until the parent sends None or exits; then save the current training and return.

    Ctrl-C reaches every process of a terminal, so only the parent handles it. SIGTERM saves and stops this worker.
    """
    stop, requests = StopSignal(), queue.SimpleQueue[JobRequest | None]()

    def end(*_: object) -> None:
        stop.requested = True
        requests.put(None)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, end)
    os.chdir(settings.folder)
    torch.set_num_threads(settings.threads)
    threading.Thread(target=_listen, args=(connection, requests, end), daemon=True).start()
    plugins = settings.plugins
    registry = discover(modules=plugins["modules"], plugins_dirs=plugins["plugins_dirs"], disabled=plugins["disabled"])
    runner = _JobRunner(connection, registry, stop)
    runner.send(Message("ready"))
    while (request := requests.get()) is not None:
        message = runner.run(request)
        runner.send(message)
        if message.last or stop.requested:
            return


def _listen(connection: Connection, requests: "queue.SimpleQueue[JobRequest | None]", end: Callable[[], None]) -> None:
    """Queue requests while the main thread trains. A closed connection means that the parent has exited."""
    with suppress(EOFError, OSError):
        while (request := connection.recv()) is not None:
            requests.put(request)
    end()


class _JobRunner:
    """Runs jobs. Variants and tasks are loaded once for all seeds."""

    def __init__(self, connection: Connection, registry: Registry, stop: StopSignal) -> None:
        self._connection, self._registry, self._stop = connection, registry, stop
        self._variants: dict[tuple[Path, str], Variant] = {}
        self._tasks = PreparedTasks()

    def send(self, message: Message) -> None:
        """Send a message. An error is ignored: the parent has exited."""
        with suppress(OSError):
            self._connection.send(message)

    def run(self, request: JobRequest) -> Message:
        """Run one job and return its outcome."""
        try:
            self._job(request).run(self._stop, listeners=[self._send_step])
        except Interrupted:
            return Message("stopped")
        except SeqtoolError as error:
            return Message("failed", error=str(error), traceback=traceback.format_exc())
        except Exception as error:  # raised by a part: other jobs continue, in another process
            return Message("failed", error=one_line(error), traceback=traceback.format_exc(), last=True)
        return Message("finished")

    def _send_step(self, row: dict[str, float]) -> None:
        self.send(Message("step", step=int(row["step"])))

    def _job(self, request: JobRequest) -> Job:
        directory = RunDirectory.open(request.run)
        key = request.run, request.variant
        if key not in self._variants:
            self._variants[key] = load_resolved_variant(directory, request.variant, self._registry)
        variant = self._variants[key]
        return Job(variant, request.seed, self._tasks.of(variant), directory, request.device)
