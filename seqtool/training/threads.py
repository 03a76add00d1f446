"""How many threads of torch a training uses."""

import os

import torch

from seqtool.build.assembly import Assembly, count_parameters
from seqtool.parts.cell import Cell

MIN_PARALLEL_WORK = 2**25
"""The fewest multiplications between two steps of a recurrence for which `threads: auto` uses several threads.

They are about ten operations, each followed by a barrier. One core computes 10 to 50 million multiplications per
millisecond, and waking a sleeping thread takes 10 to 50 microseconds: with fewer multiplications, threads mostly wait.
"""
WAIT_POLICY = "OMP_WAIT_POLICY"


def choose_threads(assembly: Assembly, device: torch.device) -> int:
    """The number of threads for `train.threads`, the same for every run of a recipe on a machine.

    With `auto`, one thread for a small model on the CPU; otherwise the threads that torch has in this process.
    """
    threads = assembly.options.threads
    if threads != "auto":
        return threads
    small = device.type == "cpu" and parallel_work(assembly) < MIN_PARALLEL_WORK
    return 1 if small else torch.get_num_threads()


def parallel_work(assembly: Assembly) -> int:
    """Multiplications of a forward pass that do not wait for one another: of one step, or of all without cells."""
    model, batch_size = assembly.model, assembly.options.batch_size
    parameters = count_parameters(model.encoder) + count_parameters(model.decoder)
    if any(isinstance(module, Cell) for module in model.modules()):
        return parameters * batch_size
    batch = assembly.task.batch("valid", 0, seed=0, rank=0, batch_size=batch_size, device=torch.device("cpu"))
    return parameters * int(batch.source_mask.sum())


def wait_policy() -> str:
    """How idle threads of OpenMP wait: "passive", "active", or "default"."""
    return os.environ.get(WAIT_POLICY, "default").lower()
