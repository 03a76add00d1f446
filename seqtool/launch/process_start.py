"""Starts worker processes. Does not import torch, so that the fork server can load it in parallel with this process."""

import multiprocessing
import multiprocessing.forkserver
import sys
from multiprocessing.context import BaseContext

PRELOADED_MODULES = ["seqtool.launch.worker"]
USE_FORK_SERVER = sys.platform == "linux"
"""Whether workers are forked from a server that has loaded torch and Lightning. macOS libraries do not support this."""


def worker_context() -> BaseContext:
    """The multiprocessing context of workers: a fork server that has not initialized CUDA on Linux, otherwise spawn."""
    context = multiprocessing.get_context("forkserver" if USE_FORK_SERVER else "spawn")
    if USE_FORK_SERVER:
        context.set_forkserver_preload(PRELOADED_MODULES)
    return context


def start_fork_server() -> None:
    """Start the fork server, which loads torch and Lightning in the background. It ends with this process."""
    worker_context()
    if USE_FORK_SERVER:
        multiprocessing.forkserver.ensure_running()
