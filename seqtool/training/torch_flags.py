"""torch's process-wide flags, set for one training."""

import contextlib
import os
from collections.abc import Iterator

import torch

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
DETERMINISTIC_WORKSPACE = ":4096:8"
"""With it cuBLAS repeats its sums: https://docs.nvidia.com/cuda/cublas/#results-reproducibility."""


@contextlib.contextmanager
def torch_flags(*, deterministic: bool) -> Iterator[None]:
    """Refuse operations that are not deterministic, where asked to; afterwards all is as the caller had it."""
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
