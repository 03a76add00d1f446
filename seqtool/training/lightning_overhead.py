"""Removes overhead of Lightning that occurs many times per step and is noticeable for a small model."""

import contextlib
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from pytorch_lightning.profilers import PassThroughProfiler

F = TypeVar("F", bound=Callable[..., Any])
_NO_CONTEXT = contextlib.nullcontext()


class NoProfiler(PassThroughProfiler):
    """Lightning's profiler that measures nothing, without creating a generator for every hook."""

    def profile(self, action_name: str) -> Any:
        """See `Profiler.profile`."""
        return _NO_CONTEXT


def cache_signature(function: F) -> F:
    """Compute the signature of `function` once. Lightning inspects it at every step."""
    function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return function
