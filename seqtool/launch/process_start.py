"""How worker processes are started. No torch: its import and the server's can then run side by side."""

import multiprocessing
import multiprocessing.forkserver
import sys
from multiprocessing.context import BaseContext

PRELOADED = ["seqtool.launch.worker"]
FORKS = sys.platform == "linux"
"""Whether workers are forked from a server that has torch and Lightning loaded; macOS's libraries do not allow it."""


def start_context() -> BaseContext:
    """What starts worker processes: a fork server without CUDA, or, where there is none, a fresh interpreter."""
    context = multiprocessing.get_context("forkserver" if FORKS else "spawn")
    if FORKS:
        context.set_forkserver_preload(PRELOADED)
    return context


def start_server() -> None:
    """Have the fork server begin to load torch and Lightning, in its own process. It ends with this process."""
    start_context()
    if FORKS:
        multiprocessing.forkserver.ensure_running()
