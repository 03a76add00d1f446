"""torch's process-wide settings while seqtool builds, trains or applies a model."""

import contextlib
import threading
from collections.abc import Iterator

import torch

from seqtool.errors import SeqtoolError

RETRY_SECONDS = 0.05


@contextlib.contextmanager
def default_settings() -> Iterator[None]:
    """torch's defaults while the context is open: float32, the CPU, gradients, no autocast.

    A script may have set others, which would change initial values, dtypes and results. They are restored on exit.
    """
    with contextlib.ExitStack() as stack:
        stack.callback(torch.set_default_dtype, torch.get_default_dtype())
        torch.set_default_dtype(torch.float32)
        if torch.get_default_device().type != "cpu":  # the context slows down every call of torch
            stack.enter_context(torch.device("cpu"))
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        yield


class _GlobalGenerator:
    """Reserves torch's global random generator, which all threads of the process share, for one thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._training = False

    @contextlib.contextmanager
    def reserved(self, *, training: bool = False) -> Iterator[None]:
        """Wait until no other thread uses the generator.

        Raises:
            SeqtoolError: another thread trains, which would take long.
        """
        while not self._lock.acquire(timeout=RETRY_SECONDS):
            if self._training:
                raise SeqtoolError(
                    "another thread of this process is training, and all threads share torch's random generator\n"
                    "    allowed: one training at a time; seqtool.run(..., workers=2) trains seeds in parallel; "
                    "other processes"
                )
        before = self._training
        self._training = before or training
        try:
            yield
        finally:
            self._training = before
            self._lock.release()


_generator = _GlobalGenerator()


@contextlib.contextmanager
def reserved_for_training() -> Iterator[None]:
    """Let no other thread train or build a model while the context is open.

    Raises:
        SeqtoolError: another thread trains.
    """
    with _generator.reserved(training=True):
        yield


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's CPU generator while the context is open, then restore it.

    Raises:
        SeqtoolError: another thread trains.
    """
    with _generator.reserved():
        before = torch.get_rng_state()
        torch.default_generator.manual_seed(seed)
        try:
            yield
        finally:
            torch.set_rng_state(before)
