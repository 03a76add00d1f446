"""The launcher of processes: jobs run in several worker processes of this machine, which share its device."""

import os
import signal
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import torch

from seqtool.errors import SeqtoolError
from seqtool.launch.job import Job
from seqtool.launch.launcher import FailedJob, FailedJobsError
from seqtool.launch.process_start import start_context
from seqtool.launch.worker import Order, Report, Surroundings, work
from seqtool.training.progress_bar import JobsBar
from seqtool.training.stopping import Interrupted, StopSignal

LOOK_EVERY = 0.2
"""Seconds after which a wish to stop is noticed at the latest."""
END_WITHIN = 10.0
"""Seconds in which a worker that closed its connection must have ended."""


class ProcessLauncher:
    """Runs jobs in worker processes, torch's threads divided among them. See `Launcher`."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, jobs: Sequence[Job], stop: StopSignal, *, show_bar: bool = False) -> None:
        """See `Launcher.run`. A job that fails does not stop the others; the error names all that failed."""
        left = [job for job in jobs if not job.finished]
        if not left:
            return
        surroundings = Surroundings(
            os.getcwd(), left[0].variant.registry.discovery(), max(1, torch.get_num_threads() // self.workers)
        )
        with JobsBar([job.variant.train.steps for job in left], show_bar) as bar:
            pool = _Pool(left, self.workers, surroundings, stop, bar)
            pool.run()
        if stop.requested and pool.unfinished:
            raise Interrupted
        if pool.failed:
            raise FailedJobsError(pool.failed, len(left))


@dataclass(eq=False)
class _Worker:
    """A worker process as its parent sees it. `job` is the number of the job that it runs, None while it has none."""

    process: BaseProcess
    connection: Connection
    job: int | None = None
    ready: bool = False
    dismissed: bool = False

    def send(self, order: Order | None) -> None:
        """Send an order; what became of a worker that has ended is read from its connection."""
        with suppress(OSError):
            self.connection.send(order)

    def dismiss(self) -> None:
        """Have it save and stop what it trains, and end."""
        if not self.dismissed:
            self.dismissed = True
            self.send(None)


@dataclass
class _Pool:
    """The workers of one call, and the jobs by their number."""

    jobs: Sequence[Job]
    size: int
    surroundings: Surroundings
    stop: StopSignal
    bar: JobsBar
    workers: list[_Worker] = field(default_factory=list)
    failed: list[FailedJob] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.waiting = deque(range(len(self.jobs)))
        self.unfinished = set(self.waiting)

    def run(self) -> None:
        """Run all jobs. Leaves no process behind, however it is left."""
        try:
            self._fill()
            while self.workers:
                if self.stop.requested:
                    for worker in self.workers:
                        worker.dismiss()
                by_connection = {worker.connection: worker for worker in self.workers}
                for connection in wait(list(by_connection), LOOK_EVERY):
                    self._receive(by_connection[connection])  # type: ignore[index]
        finally:
            for worker in self.workers:
                worker.process.kill()
            for worker in self.workers:
                worker.process.join(END_WITHIN)
                worker.connection.close()

    def _fill(self) -> None:
        """Start as many workers as there are jobs for, up to the size of the pool."""
        busy = sum(worker.job is not None for worker in self.workers)
        wanted = 0 if self.stop.requested else min(self.size, busy + len(self.waiting))
        context = start_context()
        while len(self.workers) < wanted:
            ours, theirs = context.Pipe()
            process = context.Process(target=work, args=(theirs, self.surroundings))  # type: ignore[attr-defined]
            process.start()
            theirs.close()
            self.workers.append(_Worker(process, ours))

    def _receive(self, worker: _Worker) -> None:
        try:
            report: Report = worker.connection.recv()
        except (EOFError, OSError):
            self._ended(worker)
            return
        if report.kind == "ready":
            worker.ready = True
        elif report.kind == "step" and worker.job is not None:
            self.bar.show(worker.job, report.step)
            return
        elif report.kind == "finished" and worker.job is not None:
            self.unfinished.discard(worker.job)
            self.bar.finish(worker.job)
        elif report.kind == "failed":
            self._fail(worker, report.error, report.trace)
        elif report.kind == "stopped" and not self.stop.requested:
            self._fail(worker, "its worker process was told to stop by SIGTERM; every step that was done is saved")
        worker.job = None
        if not report.last and report.kind != "stopped":
            self._give(worker)

    def _give(self, worker: _Worker) -> None:
        if self.stop.requested or not self.waiting:
            worker.dismiss()
            return
        worker.job = self.waiting.popleft()
        job = self.jobs[worker.job]
        assert job.run_directory, "rank 0 of a run has its directory"
        worker.send(Order(job.run_directory.path, job.variant.name, job.seed, job.device))

    def _ended(self, worker: _Worker) -> None:
        """Account for a worker whose connection is closed; another one takes its place while jobs wait."""
        worker.process.join(END_WITHIN)
        worker.connection.close()
        self.workers.remove(worker)
        how = _how_it_ended(worker.process.exitcode)
        if worker.job is not None:
            self._fail(worker, f"its worker process {how}")
        elif not worker.ready:
            if self.workers or self.stop.requested or not self.waiting:
                return  # others take the jobs that wait
            raise SeqtoolError(
                f"a worker process {how} before it took a job\n"
                "    allowed: no --workers; in a script, a call of seqtool.run within `if __name__ == '__main__':`"
            )
        self._fill()

    def _fail(self, worker: _Worker, error: str, trace: str = "") -> None:
        if worker.job is None:
            return
        job = self.jobs[worker.job]
        assert job.directory, "rank 0 of a run has its directory"
        job.directory.write_error(trace or f"{error}\n")
        self.failed.append(FailedJob(job.name, error, job.directory.error))


def _how_it_ended(code: int | None) -> str:
    if code is None:
        return "closed its connection"
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    memory = ", as the system does when memory runs out" if name == "SIGKILL" else ""
    return f"was killed by {name}{memory}"
