"""A training step captured as CUDA graphs, so that one launch replays all of its kernels.

A small recurrent model launches thousands of kernels per step, and launching each takes longer than running it. One
graph is captured for each batch shape. Parts need no support for this, except that they never wait for the device.
"""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from seqtool.errors import PartError
from seqtool.parts.batch import Batch
from seqtool.training.buckets import pad_to_bucket
from seqtool.training.cuda_capture import (
    Capture,
    CaptureError,
    CudaCapture,
    Step,
    can_capture_optimizer,
    host_generator_states,
    root_cause,
)

MAX_SHAPES = 64
"""Number of captured batch shapes. Batches of further shapes launch their kernels one by one."""


class GraphedStep:
    """Replays forward, loss, backward, clipping and the optimizer's step for a batch.

    Random numbers come from the device's generator, as without graphs: seed it before each call. The optimizer's step
    is captured if `can_capture_optimizer`, with learning rates that are read at each step; any other optimizer steps
    after the replay.

    Args:
        module: the module to train; it holds every buffer that a step may write to.
        objective: `batch -> (mean loss, sums [K])`. It must not wait for the device.
        optimizer: must have taken its first step, so that its state exists.
        clip: clips the gradients.
        autocast: the dtype of mixed precision; None for none.
        use_buckets: whether batches are padded to a few lengths, for tasks whose lengths vary. Padding stops at the
            first batch whose padded length a part refuses.
        capture: captures a step; default: a CUDA graph.

    Attributes:
        reason: why steps are no longer captured; None while they are.
        on_fallback: called with the reason when capturing stops.
    """

    def __init__(
        self,
        module: nn.Module,
        objective: Callable[[Batch], tuple[Tensor, Tensor]],
        optimizer: torch.optim.Optimizer,
        clip: Callable[[], None],
        *,
        autocast: torch.dtype | None = None,
        use_buckets: bool = False,
        capture: Capture | None = None,
    ) -> None:
        self.module, self.objective, self.optimizer, self.clip = module, objective, optimizer, clip
        self.autocast, self.use_buckets = autocast, use_buckets
        self.capture = capture or CudaCapture()
        self.reason: str | None = None
        self.on_fallback: Callable[[str], None] = lambda reason: None
        self.captures_optimizer = can_capture_optimizer(optimizer)
        self._steps: dict[tuple[Any, ...], tuple[Batch, Step]] = {}
        self._rates: list[tuple[Tensor, float]] = []

    def __call__(self, batch: Batch) -> Tensor:
        """Take one step on a batch and return the objective's sums `[K]`."""
        given, batch = batch, pad_to_bucket(batch) if self.use_buckets else batch
        key = _shape(batch)
        if key not in self._steps:
            if self.reason is not None or len(self._steps) >= MAX_SHAPES:
                return self._step_eagerly(given)
            try:
                self._steps[key] = self._capture_step(batch)
            except (CaptureError, PartError, RuntimeError) as error:
                if isinstance(error, PartError) and batch is not given:
                    self.use_buckets = False
                    return self(given)
                self._fall_back(error)
                return self._step_eagerly(given)
        inputs, replay = self._steps[key]
        _copy_into(inputs, batch)
        self._update_rates()
        sums, gradients = replay()
        if not self.captures_optimizer:
            for parameter, gradient in zip(self._parameters(), gradients, strict=True):
                parameter.grad = gradient
            self.optimizer.step()
        return sums.clone()

    def clear(self) -> None:
        """Drop all captured steps. The next step of each shape is captured again."""
        self._steps.clear()

    def _capture_step(self, batch: Batch) -> tuple[Batch, Step]:
        inputs, device = _clone(batch), batch.target.device
        buffers = [(buffer, buffer.clone()) for buffer in self.module.buffers()]
        try:
            with self._rates_on_device(), torch.random.fork_rng([device] if device.type == "cuda" else []):
                replay = self.capture(lambda: self._step(inputs), lambda: self._warm_up(inputs))
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
        """Compute the clipped gradients of the batch's loss and return the objective's sums `[K]`."""
        self.optimizer.zero_grad(set_to_none=True)
        device_type = batch.target.device.type
        with torch.autocast(device_type, dtype=self.autocast, enabled=self.autocast is not None, cache_enabled=False):
            mean, sums = self.objective(batch)
        with torch.autocast(device_type, enabled=False):
            mean.backward()
            self.clip()
        return sums

    def _warm_up(self, batch: Batch) -> None:
        """Run a step without the optimizer's step.

        Raises:
            CaptureError: random numbers are drawn on the host, or a parameter gets its first gradient after the first
                step.
        """
        before = host_generator_states(batch.target.device)
        self._gradients(batch)
        if before != host_generator_states(batch.target.device):
            raise CaptureError("it draws random numbers on the host")
        state = self.optimizer.state
        late = [x for x in self._parameters() if x.grad is not None and x not in state] if state else []
        if late and self.captures_optimizer:
            raise CaptureError("a parameter has no gradient in the first step, but has one later")
        self.optimizer.zero_grad(set_to_none=True)

    def _step_eagerly(self, batch: Batch) -> Tensor:
        sums = self._gradients(batch)
        self.optimizer.step()
        return sums

    def _fall_back(self, error: Exception) -> None:
        self.reason = " ".join(str(root_cause(error)).split("\n", 1)[0].split())
        warnings.warn(f"this training step is not captured as a CUDA graph: {self.reason}", stacklevel=3)
        self.on_fallback(self.reason)

    def _parameters(self) -> list[Tensor]:
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    @contextlib.contextmanager
    def _rates_on_device(self) -> Iterator[None]:
        """Give the optimizer its learning rates as tensors, and set `capturable`, which torch requires for capture."""
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

    def _update_rates(self) -> None:
        groups = self.optimizer.param_groups if self._rates else ()
        for i, ((rate, written), group) in enumerate(zip(self._rates, groups, strict=True)):
            if group["lr"] != written:
                rate.fill_(group["lr"])
                self._rates[i] = rate, group["lr"]


def _shape(batch: Batch) -> tuple[Any, ...]:
    values = [getattr(batch, field.name) for field in fields(batch)]
    return tuple((tuple(x.shape), x.dtype) if isinstance(x, Tensor) else x for x in values)


def _clone(batch: Batch) -> Batch:
    tensors = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return replace(batch, **{name: x.clone() for name, x in tensors.items() if isinstance(x, Tensor)})


def _copy_into(inputs: Batch, batch: Batch) -> None:
    for field in fields(batch):
        value = getattr(batch, field.name)
        if isinstance(value, Tensor):
            getattr(inputs, field.name).copy_(value)
