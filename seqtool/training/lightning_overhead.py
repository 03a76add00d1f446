"""Lightning's step without what it does for nobody: some forty times a step, it would be felt beside a small model."""

import contextlib
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import pytorch_lightning as pl
from pytorch_lightning.profilers import PassThroughProfiler

F = TypeVar("F", bound=Callable[..., Any])
_NOTHING = contextlib.nullcontext()


class NoProfiler(PassThroughProfiler):
    """Lightning's profiler that measures nothing, without opening a generator for every hook."""

    def profile(self, action_name: str) -> Any:
        """See `Profiler.profile`."""
        return _NOTHING


class LeanModule(pl.LightningModule):
    """A module whose batches move themselves: nobody is asked for a hook on that, three times a step.

    The name of the hook that runs is noted on it without torch's search for parameters and buffers.
    """

    def _call_batch_hook(self, hook_name: str, batch: Any, *arguments: Any) -> Any:
        return batch.to(arguments[0]) if hook_name == "transfer_batch_to_device" else batch

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_current_fx_name":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)


def signature_kept(function: F) -> F:
    """`function`, whose signature is found once: Lightning asks for it at every step."""
    function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return function
