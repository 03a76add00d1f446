"""Captures a training step as a CUDA graph, and says which steps can be captured."""

import contextlib
import inspect
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from pytorch_lightning.strategies import SingleDeviceStrategy, Strategy
from torch import Tensor

from seqtool.build.loop_options import LoopOptions
from seqtool.parts.torch_internals import has_step_hooks

CAPTURED = (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)

Step = Callable[[], tuple[Tensor, list[Tensor | None]]]
"""Computes one step. Returns the objective's sums, and the gradients of all parameters if the optimizer steps later."""
Capture = Callable[[Step, Callable[[], None]], Step]
"""Called with a step and a function that warms it up; returns a function that replays the step."""


class CaptureError(Exception):
    """A step cannot be captured; the message is the reason."""


def cannot_capture(options: LoopOptions, strategy: Strategy, optimizer: torch.optim.Optimizer) -> str | None:
    """Why training steps cannot be captured; None if they can."""
    device = strategy.root_device
    if options.engine not in ("auto", "graphed"):
        return f"engine {options.engine!r} launches kernels one by one"
    if device.type != "cuda":
        return f"CUDA graphs need a CUDA device, and the device is {device.type}"
    if not isinstance(strategy, SingleDeviceStrategy):
        return "training uses several processes"
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    if closure is not None and closure.default is closure.empty:
        return f"{type(optimizer).__name__} computes the loss several times per step"
    if options.precision == "64-true":
        return "captured optimizers keep learning rates in float32, and the precision is 64-true"
    if options.precision == "16-mixed":
        return "16-mixed precision reads the gradients on the host to scale the loss"
    if not options.teacher_forcing:
        return "the probability of scheduled sampling changes from step to step"
    return None


def can_capture_optimizer(optimizer: torch.optim.Optimizer) -> bool:
    """Whether an optimizer's step reads nothing on the host except its learning rates, so that it can be captured.

    True for torch's fused Adam, AdamW and SGD, and for classes that define `captured = True`. False if the optimizer
    has step hooks, since a replay would not call them.
    """
    known = vars(type(optimizer)).get("captured", type(optimizer) in CAPTURED)
    fused = all(group.get("fused") for group in optimizer.param_groups)
    return bool(known and fused and not has_step_hooks(optimizer))


def step_record(reason: str | None) -> dict[str, str]:
    """The entry of environment.json that says how training steps run; `reason` is why they are not captured."""
    return {"runs": "graphed"} if reason is None else {"runs": "eagerly", "reason": reason}


class CudaCapture:
    """Captures steps on the current CUDA device. Graphs share one memory pool, since they never run concurrently."""

    def __init__(self) -> None:
        self._pool: Any = None

    def __call__(self, step: Step, warm_up: Callable[[], None]) -> Step:
        """Run `warm_up` twice, then capture `step` without running it.

        Raises:
            CaptureError: the step synchronizes the host with the device.
            RuntimeError: CUDA refuses an operation of the step.
        """
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            warm_up()  # initialization and compilation on first use may synchronize
            with _no_synchronization():
                warm_up()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            result = step()
        self._pool = self._pool or graph.pool()

        def replay() -> tuple[Tensor, list[Tensor | None]]:
            graph.replay()
            return result

        return replay


@contextlib.contextmanager
def _no_synchronization() -> Iterator[None]:
    """Raise `CaptureError` if the host waits for the device."""
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    except RuntimeError as error:
        if "synchroniz" not in str(error):
            raise
        raise CaptureError(f"the host waits for the device{_location(error)}") from error
    finally:
        torch.cuda.set_sync_debug_mode(before)


def _location(error: BaseException) -> str:
    """` in FILE, line N` of the innermost Python frame outside torch."""
    trace, location = error.__traceback__, ""
    while trace:
        name = trace.tb_frame.f_code.co_filename
        if "/torch/" not in name and name != __file__:
            location = f" in {name}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return location


def root_cause(error: BaseException) -> BaseException:
    """The first error of a chain. CUDA reports an invalidated capture after the error that invalidated it."""
    while error.__context__ is not None and not isinstance(error, CaptureError):
        error = error.__context__
    return error


def host_generator_states(device: torch.device) -> tuple[Any, ...]:
    """The states of the Python, numpy and torch generators on the host; without torch's if `device` is the CPU."""
    numpy_state: dict[str, Any] = np.random.get_state(legacy=False)["state"]
    torch_state = b"" if device.type == "cpu" else bytes(torch.get_rng_state().numpy())
    return random.getstate(), bytes(numpy_state["key"]), numpy_state["pos"], torch_state
