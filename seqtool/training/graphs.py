"""A training step captured as CUDA graphs: one launch replays all of its kernels.

A small recurrent model launches thousands of kernels a step, each of which takes longer to launch than to run. A graph
is captured for each shape of a batch, and needs nothing of the parts but that they never wait for the device.
"""

import contextlib
import inspect
import random
import warnings
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from pytorch_lightning.strategies import SingleDeviceStrategy, Strategy
from torch import Tensor, nn

from seqtool.build.loop_options import LoopOptions
from seqtool.errors import PartError
from seqtool.parts.batch import Batch
from seqtool.parts.torch_internals import has_step_hooks
from seqtool.training.buckets import bucketed

MAX_SHAPES = 64
"""How many shapes are captured. A batch of another shape launches its kernels one by one."""

CAPTURED = (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)

Step = Callable[[], tuple[Tensor, list[Tensor | None]]]
"""Computes a step: its sums, and the gradients of all parameters where the optimizer has yet to use them."""
Record = Callable[[Step, Callable[[], None]], Step]


def cannot_capture(options: LoopOptions, strategy: Strategy, optimizer: torch.optim.Optimizer) -> str | None:
    """Why the steps of a training cannot be captured; None where they may be."""
    device = strategy.root_device
    if options.engine not in ("auto", "graphed"):
        return f"engine {options.engine!r} launches each kernel"
    if device.type != "cuda":
        return f"CUDA graphs need a CUDA device, and this is {device.type}"
    if not isinstance(strategy, SingleDeviceStrategy):
        return "several processes train together"
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    if closure is not None and closure.default is closure.empty:
        return f"{type(optimizer).__name__} computes the loss several times in a step"
    if options.precision == "64-true":
        return "captured optimizers hold learning rates in float32, and this is 64-true"
    if options.precision == "16-mixed":
        return "16-mixed precision looks at the gradients on the host to scale the loss"
    if not options.teacher_forcing:
        return "the probability of scheduled sampling changes from step to step"
    return None


def runs_on_device(optimizer: torch.optim.Optimizer) -> bool:
    """Whether all that a step of an optimizer reads on the host is its learning rates, so that it may be captured.

    That holds for torch's fused Adam, AdamW and SGD, and for classes that set `captured = True` themselves. What a
    hook on the steps does would be lost.
    """
    known = vars(type(optimizer)).get("captured", type(optimizer) in CAPTURED)
    fused = all(group.get("fused") for group in optimizer.param_groups)
    return bool(known and fused and not has_step_hooks(optimizer))


def step_record(reason: str | None) -> dict[str, str]:
    """How training steps run, for environment.json."""
    return {"runs": "graphed"} if reason is None else {"runs": "eagerly", "reason": reason}


class CaptureError(Exception):
    """Why a step cannot be captured."""


class GraphedStep:
    """Forward, loss, backward, clipping and optimizer of a batch, replayed.

    Random numbers follow the device's generator as without graphs: seed it before each call. An optimizer that
    `runs_on_device` is captured, with learning rates that are read at each step; any other one steps after the replay.

    Args:
        module: what is trained; it holds the buffers that a step may write to.
        objective: `batch -> (mean loss, sums [K])`. It must not wait for the device.
        optimizer: it must have taken its first step already, so that its state exists.
        clip: clips the gradients.
        autocast: the dtype of mixed precision; None for none.
        buckets: whether batches are padded to a few lengths; for tasks whose lengths vary. Padding ends at the first
            batch that a part refuses for its padded length.
        record: how a step is captured.

    Attributes:
        reason: why steps are not captured any more; None while they are.
        on_fallback: called with the reason when it is found.
    """

    def __init__(
        self,
        module: nn.Module,
        objective: Callable[[Batch], tuple[Tensor, Tensor]],
        optimizer: torch.optim.Optimizer,
        clip: Callable[[], None],
        *,
        autocast: torch.dtype | None = None,
        buckets: bool = False,
        record: Record | None = None,
    ) -> None:
        self.module, self.objective, self.optimizer, self.clip = module, objective, optimizer, clip
        self.autocast, self.buckets = autocast, buckets
        self.record = record or CudaRecorder()
        self.reason: str | None = None
        self.on_fallback: Callable[[str], None] = lambda reason: None
        self.captures_optimizer = runs_on_device(optimizer)
        self._steps: dict[tuple[Any, ...], tuple[Batch, Step]] = {}
        self._rates: list[tuple[Tensor, float]] = []

    def __call__(self, batch: Batch) -> Tensor:
        """Train on a batch -> the objective's sums `[K]`."""
        given, batch = batch, bucketed(batch) if self.buckets else batch
        key = _shape(batch)
        if key not in self._steps:
            if self.reason is not None or len(self._steps) >= MAX_SHAPES:
                return self._eagerly(given)
            try:
                self._steps[key] = self._captured(batch)
            except (CaptureError, PartError, RuntimeError) as error:
                if isinstance(error, PartError) and batch is not given:
                    self.buckets = False
                    return self(given)
                self._fall_back(error)
                return self._eagerly(given)
        inputs, replay = self._steps[key]
        _copy(batch, inputs)
        self._write_rates()
        sums, gradients = replay()
        if not self.captures_optimizer:
            for parameter, gradient in zip(self._parameters(), gradients, strict=True):
                parameter.grad = gradient
            self.optimizer.step()
        return sums.clone()

    def clear(self) -> None:
        """Forget what is captured; the next step of each shape is captured again."""
        self._steps.clear()

    def _captured(self, batch: Batch) -> tuple[Batch, Step]:
        inputs, device = _cloned(batch), batch.target.device
        buffers = [(buffer, buffer.clone()) for buffer in self.module.buffers()]
        try:
            with self._rates_on_device(), torch.random.fork_rng([device] if device.type == "cuda" else []):
                replay = self.record(lambda: self._step(inputs), lambda: self._warm_up(inputs))
        except Exception:
            self.optimizer.zero_grad(set_to_none=True)
            raise
        finally:
            for buffer, before in buffers:
                buffer.copy_(before)
        if any(one is not other for (one, _), other in zip(buffers, self.module.buffers(), strict=True)):
            raise CaptureError("a part replaces a buffer instead of writing to it")
        return inputs, replay

    def _step(self, batch: Batch) -> tuple[Tensor, list[Tensor | None]]:
        sums = self._gradients(batch)
        if not self.captures_optimizer:
            return sums, [parameter.grad for parameter in self._parameters()]
        self.optimizer.step()
        return sums, []

    def _gradients(self, batch: Batch) -> Tensor:
        """Replace all gradients by those of the batch's loss, clipped -> the objective's sums `[K]`."""
        self.optimizer.zero_grad(set_to_none=True)
        kind = batch.target.device.type
        with torch.autocast(kind, dtype=self.autocast, enabled=self.autocast is not None, cache_enabled=False):
            mean, sums = self.objective(batch)
        with torch.autocast(kind, enabled=False):
            mean.backward()
            self.clip()
        return sums

    def _warm_up(self, batch: Batch) -> None:
        """Compute what a step computes, except the optimizer's step.

        Raises:
            CaptureError: numbers are drawn on the host, or a parameter has its first gradient after the first step.
        """
        drawn = _host_generators(batch.target.device)
        self._gradients(batch)
        if drawn != _host_generators(batch.target.device):
            raise CaptureError("it draws random numbers on the host")
        state = self.optimizer.state
        late = [x for x in self._parameters() if x.grad is not None and x not in state] if state else []
        if late and self.captures_optimizer:
            raise CaptureError("a parameter has no gradient in the first step, and one later")
        self.optimizer.zero_grad(set_to_none=True)

    def _eagerly(self, batch: Batch) -> Tensor:
        sums = self._gradients(batch)
        self.optimizer.step()
        return sums

    def _fall_back(self, error: Exception) -> None:
        self.reason = " ".join(str(_cause(error)).split("\n", 1)[0].split())
        warnings.warn(f"this training step is not captured as a CUDA graph: {self.reason}", stacklevel=3)
        self.on_fallback(self.reason)

    def _parameters(self) -> list[Tensor]:
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    @contextlib.contextmanager
    def _rates_on_device(self) -> Iterator[None]:
        """Have the optimizer read its learning rates from tensors, with the flag that torch asks of captured ones."""
        if not self.captures_optimizer:
            yield
            return
        groups = self.optimizer.param_groups
        if not self._rates:
            device = self._parameters()[0].device
            self._rates = [
                (torch.full((), group["lr"], dtype=torch.float32, device=device), group["lr"]) for group in groups
            ]
        before: list[dict[str, Any]] = [
            {key: group[key] for key in ("lr", "capturable") if key in group} for group in groups
        ]
        for group, (rate, _) in zip(groups, self._rates, strict=True):
            group["lr"], group["capturable"] = rate, True
        try:
            yield
        finally:
            for group, values in zip(groups, before, strict=True):
                group.pop("capturable")
                group.update(values)

    def _write_rates(self) -> None:
        groups = self.optimizer.param_groups if self._rates else ()
        for i, ((rate, written), group) in enumerate(zip(self._rates, groups, strict=True)):
            if group["lr"] != written:
                rate.fill_(group["lr"])
                self._rates[i] = rate, group["lr"]


class CudaRecorder:
    """Captures steps on the current CUDA device; all graphs share one pool of memory, since they never overlap."""

    def __init__(self) -> None:
        self._pool: Any = None

    def __call__(self, step: Step, warm_up: Callable[[], None]) -> Step:
        """Run `warm_up` twice, then capture `step`, which computes nothing yet.

        Raises:
            CaptureError: the step waits for the device.
            RuntimeError: CUDA refuses an operation of the step.
        """
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            warm_up()  # what is set up or compiled at the first use may wait
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
    """Raise `CaptureError` where the host waits for the device."""
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    except RuntimeError as error:
        if "synchroniz" not in str(error):
            raise
        raise CaptureError(f"the host waits for the device{_where(error)}") from error
    finally:
        torch.cuda.set_sync_debug_mode(before)


def _where(error: BaseException) -> str:
    """` in FILE, line N` of the innermost Python frame outside torch."""
    trace, place = error.__traceback__, ""
    while trace:
        name = trace.tb_frame.f_code.co_filename
        if "/torch/" not in name and name != __file__:
            place = f" in {name}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _cause(error: BaseException) -> BaseException:
    """The first error of a chain: that a capture was invalidated is reported after what invalidated it."""
    while error.__context__ is not None and not isinstance(error, CaptureError):
        error = error.__context__
    return error


def _host_generators(device: torch.device) -> tuple[Any, ...]:
    """The states of the generators of Python and numpy, and of torch's on the host where it is not the device's."""
    drawn: dict[str, Any] = np.random.get_state(legacy=False)["state"]
    torchs = b"" if device.type == "cpu" else bytes(torch.get_rng_state().numpy())
    return random.getstate(), bytes(drawn["key"]), drawn["pos"], torchs


def _shape(batch: Batch) -> tuple[Any, ...]:
    values = [getattr(batch, field.name) for field in fields(batch)]
    return tuple((tuple(x.shape), x.dtype) if isinstance(x, Tensor) else x for x in values)


def _cloned(batch: Batch) -> Batch:
    tensors = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return replace(batch, **{name: x.clone() for name, x in tensors.items() if isinstance(x, Tensor)})


def _copy(batch: Batch, inputs: Batch) -> None:
    for field in fields(batch):
        value = getattr(batch, field.name)
        if isinstance(value, Tensor):
            getattr(inputs, field.name).copy_(value)
