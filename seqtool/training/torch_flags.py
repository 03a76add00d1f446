"""torch's process-wide flags during one training."""

import contextlib
import os
from collections.abc import Iterator

import torch

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
DETERMINISTIC_WORKSPACE = ":4096:8"
"""Makes cuBLAS deterministic: https://docs.nvidia.com/cuda/cublas/#results-reproducibility."""


@contextlib.contextmanager
def torch_flags(*, deterministic: bool, threads: int) -> Iterator[None]:
    """Set torch's threads; if `deterministic`, make it refuse nondeterministic operations. All is restored on exit."""
    enabled, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    callers_threads = torch.get_num_threads()
    benchmark, workspace = torch.backends.cudnn.benchmark, os.environ.get(WORKSPACE)
    try:
        torch.set_num_threads(threads)
        if deterministic:
            torch.use_deterministic_algorithms(True)
            torch.backends.cudnn.benchmark = False
            os.environ.setdefault(WORKSPACE, DETERMINISTIC_WORKSPACE)
        yield
    finally:
        torch.set_num_threads(callers_threads)
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
        torch.backends.cudnn.benchmark = benchmark
        if workspace is None:
            os.environ.pop(WORKSPACE, None)
        else:
            os.environ[WORKSPACE] = workspace
