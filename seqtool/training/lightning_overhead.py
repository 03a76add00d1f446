"""Lightning's step without what it does for nobody: some forty times a step, it would be felt beside a small model."""

import contextlib
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from pytorch_lightning.profilers import PassThroughProfiler

F = TypeVar("F", bound=Callable[..., Any])
_NOTHING = contextlib.nullcontext()


class NoProfiler(PassThroughProfiler):
    """Lightning's profiler that measures nothing, without opening a generator for every hook."""

    def profile(self, action_name: str) -> Any:
        """See `Profiler.profile`."""
        return _NOTHING


def signature_kept(function: F) -> F:
    """`function`, whose signature is found once: Lightning asks for it at every step."""
    function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return function
