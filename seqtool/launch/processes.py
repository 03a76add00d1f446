"""The process launcher: jobs run in parallel worker processes on this machine and share its device."""

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
from seqtool.launch.process_start import worker_context
from seqtool.launch.worker import JobRequest, Message, WorkerSettings, run_worker
from seqtool.training.progress_bar import JobsBar
from seqtool.training.stopping import Interrupted, StopSignal

POLL_SECONDS = 0.2
"""Longest delay until a stop request is noticed."""
JOIN_SECONDS = 10.0
"""Time for a worker to end after it closed its connection."""


class ProcessLauncher:
    """Runs jobs in parallel worker processes. torch's threads are divided among them."""

    def __init__(self, num_workers: int) -> None:
        self.num_workers = num_workers

    def run(self, jobs: Sequence[Job], stop: StopSignal, *, show_bar: bool = False) -> None:
        """See `Launcher.run`. A failed job does not stop the others; the error lists all failed jobs."""
        unfinished = [job for job in jobs if not job.finished]
        if not unfinished:
            return
        threads = max(1, torch.get_num_threads() // self.num_workers)
        settings = WorkerSettings(os.getcwd(), unfinished[0].variant.registry.discovery(), threads)
        with JobsBar([job.variant.train.steps for job in unfinished], show_bar) as bar:
            pool = _Pool(unfinished, self.num_workers, settings, stop, bar)
            pool.run()
        if stop.requested and pool.unfinished:
            raise Interrupted(saved=True)
        if pool.failed:
            raise FailedJobsError(pool.failed, len(unfinished))


@dataclass(eq=False)
class _Worker:
    """The parent's view of a worker process. `job` is the index of its current job, None if it has none."""

    process: BaseProcess
    connection: Connection
    job: int | None = None
    ready: bool = False
    dismissed: bool = False

    def send(self, request: JobRequest | None) -> None:
        """Send a job. An error is ignored here: reading from the connection reports that the worker has ended."""
        with suppress(OSError):
            self.connection.send(request)

    def dismiss(self) -> None:
        """Tell the worker to save its training and exit."""
        if not self.dismissed:
            self.dismissed = True
            self.send(None)


@dataclass
class _Pool:
    """The workers and jobs of one call of `ProcessLauncher.run`."""

    jobs: Sequence[Job]
    size: int
    settings: WorkerSettings
    stop: StopSignal
    bar: JobsBar
    workers: list[_Worker] = field(default_factory=list)
    failed: list[FailedJob] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.waiting = deque(range(len(self.jobs)))
        self.unfinished = set(self.waiting)

    def run(self) -> None:
        """Run all jobs. On exit or error no worker process is left."""
        try:
            self._start_workers()
            while self.workers:
                if self.stop.requested:
                    for worker in self.workers:
                        worker.dismiss()
                by_connection = {worker.connection: worker for worker in self.workers}
                for connection in wait(list(by_connection), POLL_SECONDS):
                    self._receive(by_connection[connection])  # type: ignore[index]
        finally:
            for worker in self.workers:
                worker.process.kill()
            for worker in self.workers:
                worker.process.join(JOIN_SECONDS)
                worker.connection.close()

    def _start_workers(self) -> None:
        """Start workers for the waiting jobs, up to the size of the pool."""
        busy = sum(worker.job is not None for worker in self.workers)
        num_needed = 0 if self.stop.requested else min(self.size, busy + len(self.waiting))
        context = worker_context()
        while len(self.workers) < num_needed:
            ours, theirs = context.Pipe()
            process = context.Process(target=run_worker, args=(theirs, self.settings))  # type: ignore[attr-defined]
            process.start()
            theirs.close()
            self.workers.append(_Worker(process, ours))

    def _receive(self, worker: _Worker) -> None:
        try:
            message: Message = worker.connection.recv()
        except (EOFError, OSError):
            self._handle_exit(worker)
            return
        if message.kind == "ready":
            worker.ready = True
        elif message.kind == "step" and worker.job is not None:
            self.bar.show(worker.job, message.step)
            return
        elif message.kind == "finished" and worker.job is not None:
            self.unfinished.discard(worker.job)
            self.bar.finish(worker.job)
        elif message.kind == "failed":
            self._fail(worker, message.error, message.traceback)
        elif message.kind == "stopped" and not self.stop.requested:
            self._fail(worker, "its worker process was stopped by SIGTERM; all completed steps are saved")
        worker.job = None
        if not message.last and message.kind != "stopped":
            self._assign_job(worker)

    def _assign_job(self, worker: _Worker) -> None:
        if self.stop.requested or not self.waiting:
            worker.dismiss()
            return
        worker.job = self.waiting.popleft()
        job = self.jobs[worker.job]
        assert job.run_directory, "rank 0 always has a run directory"
        worker.send(JobRequest(job.run_directory.path, job.variant.name, job.seed, job.device))

    def _handle_exit(self, worker: _Worker) -> None:
        """Record the result of a worker whose connection is closed, and start another one if jobs are waiting."""
        worker.process.join(JOIN_SECONDS)
        worker.connection.close()
        self.workers.remove(worker)
        exit_text = _describe_exit(worker.process.exitcode)
        if worker.job is not None:
            self._fail(worker, f"its worker process {exit_text}")
        elif not worker.ready:
            if self.workers or self.stop.requested or not self.waiting:
                return  # other workers run the waiting jobs
            raise SeqtoolError(
                f"a worker process {exit_text} before it started a job\n"
                "    allowed: no --workers; in a script, call seqtool.run inside `if __name__ == '__main__':`"
            )
        self._start_workers()

    def _fail(self, worker: _Worker, error: str, traceback: str = "") -> None:
        if worker.job is None:
            return
        job = self.jobs[worker.job]
        assert job.directory, "rank 0 always has a run directory"
        job.directory.write_error(traceback or f"{error}\n")
        self.failed.append(FailedJob(job.name, error, job.directory.error))


def _describe_exit(code: int | None) -> str:
    if code is None:
        return "closed its connection"
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    memory = ", which the system sends when memory runs out" if name == "SIGKILL" else ""
    return f"was killed by {name}{memory}"
