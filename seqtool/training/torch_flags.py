"""torch's process-wide flags during one training."""

import contextlib
import os
from collections.abc import Iterator

import torch

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
DETERMINISTIC_WORKSPACE = ":4096:8"
"""Makes cuBLAS deterministic: https://docs.nvidia.com/cuda/cublas/#results-reproducibility."""


@contextlib.contextmanager
def torch_flags(*, deterministic: bool) -> Iterator[None]:
    """If `deterministic`, make torch refuse nondeterministic operations. The caller's flags are restored on exit."""
    enabled, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    benchmark, workspace = torch.backends.cudnn.benchmark, os.environ.get(WORKSPACE)
    try:
        if deterministic:
            torch.use_deterministic_algorithms(True)
            torch.backends.cudnn.benchmark = False
            os.environ.setdefault(WORKSPACE, DETERMINISTIC_WORKSPACE)
        yield
    finally:
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
        torch.backends.cudnn.benchmark = benchmark
        if workspace is None:
            os.environ.pop(WORKSPACE, None)
        else:
            os.environ[WORKSPACE] = workspace
