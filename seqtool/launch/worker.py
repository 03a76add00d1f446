"""A worker process: runs the jobs that its parent sends, one after the other."""

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
from seqtool.runs.kept_variant import kept_variant
from seqtool.training.stopping import Interrupted, StopSignal


@dataclass(frozen=True)
class Surroundings:
    """What a worker takes over from its parent, as plain data.

    Attributes:
        folder: the working directory.
        plugins: the arguments of `discover`.
        threads: how many threads torch may use.
    """

    folder: str
    plugins: dict[str, list[str]]
    threads: int


@dataclass(frozen=True)
class Order:
    """A job as plain data: the worker reads its variant from the run directory, as `--resume` does."""

    run: Path
    variant: str
    seed: int
    device: str | None


@dataclass(frozen=True)
class Report:
    """What a worker sends its parent.

    Attributes:
        kind: "ready" for the first job; a "step" of the job was done; the job is "finished", has "failed", or was
            "stopped" with every step saved.
        step: how many steps are done.
        error: what the user reads of a failure.
        trace: where it was raised.
        last: whether the worker ends after this failure, since no later job can trust the process.
    """

    kind: Literal["ready", "step", "finished", "failed", "stopped"]
    step: int = 0
    error: str = ""
    trace: str = ""
    last: bool = False


def work(connection: Connection, surroundings: Surroundings) -> None:
    """Run jobs until the parent sends None, or ends: then save what is in training, and return.

    Ctrl-C reaches every process of a terminal, so it is left to the parent; SIGTERM saves and stops this worker.
    """
    stop, orders = StopSignal(), queue.SimpleQueue[Order | None]()

    def end(*_: object) -> None:
        stop.requested = True
        orders.put(None)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, end)
    os.chdir(surroundings.folder)
    torch.set_num_threads(surroundings.threads)
    threading.Thread(target=_listen, args=(connection, orders, end), daemon=True).start()
    found = surroundings.plugins
    registry = discover(modules=found["modules"], plugins_dirs=found["plugins_dirs"], disabled=found["disabled"])
    bench = _Bench(connection, registry, stop)
    bench.send(Report("ready"))
    while (order := orders.get()) is not None:
        report = bench.run(order)
        bench.send(report)
        if report.last or stop.requested:
            return


def _listen(connection: Connection, orders: "queue.SimpleQueue[Order | None]", end: Callable[[], None]) -> None:
    """Pass orders on while the main thread trains; the end of the connection is the end of the parent."""
    with suppress(EOFError, OSError):
        while (order := connection.recv()) is not None:
            orders.put(order)
    end()


class _Bench:
    """Where jobs are run: variants and tasks are read once for all their seeds."""

    def __init__(self, connection: Connection, registry: Registry, stop: StopSignal) -> None:
        self._connection, self._registry, self._stop = connection, registry, stop
        self._variants: dict[tuple[Path, str], Variant] = {}
        self._tasks = PreparedTasks()

    def send(self, report: Report) -> None:
        """Send a report; a parent that has ended needs none."""
        with suppress(OSError):
            self._connection.send(report)

    def run(self, order: Order) -> Report:
        """Run one job to its end, whatever that is."""
        try:
            self._job(order).run(self._stop, listeners=[self._show])
        except Interrupted:
            return Report("stopped")
        except SeqtoolError as error:
            return Report("failed", error=str(error), trace=traceback.format_exc())
        except Exception as error:  # whatever a part raises: the other jobs go on, in another process
            return Report("failed", error=one_line(error), trace=traceback.format_exc(), last=True)
        return Report("finished")

    def _show(self, row: dict[str, float]) -> None:
        self.send(Report("step", step=int(row["step"])))

    def _job(self, order: Order) -> Job:
        directory = RunDirectory.open(order.run)
        key = order.run, order.variant
        if key not in self._variants:
            self._variants[key] = kept_variant(directory, order.variant, self._registry)
        variant = self._variants[key]
        return Job(variant, order.seed, self._tasks.of(variant), directory, order.device)
