"""The functions to time in seqtool: a training step, and decoding."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.shapes import Shape, variant
from seqtool.build.assembly import Assembly, assemble, make
from seqtool.build.kernels import install
from seqtool.parts.batch import Batch
from seqtool.parts.clipping import ClippingOptimizer
from seqtool.recipe import Variant
from seqtool.registry import default_registry
from seqtool.training.graphed_step import GraphedStep

CPU = torch.device("cpu")


def prepare(chosen: Variant, device: torch.device = CPU) -> tuple[Assembly, torch.optim.Optimizer]:
    """The assembly of a variant with its engine's kernels, on a device, and its optimizer."""
    made = assemble(chosen, seed=0)
    made.model.to(device)
    made.loss.to(device)
    install(made.model, chosen.train.engine, default_registry(), device, torch.float32, {"optimizer": made.optimizer})
    return made, made.optimizer


def batch(shape: Shape, device: torch.device = CPU) -> Batch:
    """A batch of the alignment task, the same for all contestants."""
    task = assemble(variant("plain", shape), seed=0).task
    return task.batch("train", 0, seed=0, rank=0, batch_size=shape.batch, device=device)


def training_step(
    model: nn.Module, loss: Callable[[], Tensor], optimizer: torch.optim.Optimizer, limit: float | None = 1.0
) -> Callable[[], None]:
    """A training step: forward, backward, clipping, optimizer."""

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        clip(model, optimizer, limit)
        optimizer.step()

    return step


def clip(model: nn.Module, optimizer: torch.optim.Optimizer, limit: float | None) -> None:
    """Clip the gradients with the optimizer if it supports this, as `seqtool run` does, else with torch."""
    if limit is None:
        return
    if isinstance(optimizer, ClippingOptimizer):
        optimizer.clip(limit)
    else:
        nn.utils.clip_grad_norm_(model.parameters(), limit)


def training(
    family: str, shape: Shape, *, device: torch.device = CPU, graphs: bool = False, **options: str
) -> Callable[[], None]:
    """A training step of seqtool's model on a fixed batch; with `graphs`, replayed as a CUDA graph."""
    made, optimizer = prepare(variant(family, shape, **options), device)
    here = made.task.batch("train", 0, seed=0, rank=0, batch_size=shape.batch, device=device)
    return partial(batch_step(made, optimizer, graphs=graphs), here)


def batch_step(
    made: Assembly, optimizer: torch.optim.Optimizer, *, graphs: bool = False, limit: float | None = 1.0
) -> Callable[[Batch], None]:
    """A training step on any batch. With `graphs`, steps after the first are replayed as a CUDA graph.

    Args:
        limit: the maximum gradient norm; None for no clipping.
    """

    def eager(here: Batch) -> None:
        training_step(made.model, lambda: _objective(made, here)[0], optimizer, limit)()

    if not graphs:
        return eager
    clipped = partial(clip, made.model, optimizer, limit)
    graphed = GraphedStep(made.model, partial(_objective, made), optimizer, clipped)

    def step(here: Batch) -> None:
        if not optimizer.state:  # created by the first step
            eager(here)
            return
        graphed(here)
        if graphed.reason is not None:
            raise RuntimeError(f"the step is not captured: {graphed.reason}")

    return step


def _objective(made: Assembly, here: Batch) -> tuple[Tensor, Tensor]:
    """`(mean loss, [summed loss, real tokens])`."""
    logits, weights = made.model(here)
    total, count = made.loss(logits, weights, here)
    return total / count, torch.stack([total.detach(), count.to(total.dtype)])


def decoding(
    family: str, shape: Shape, search: str, *, device: torch.device = CPU, **options: str
) -> Callable[[], None]:
    """Decoding of a batch of sources; every hypothesis has the full length."""
    made, _ = prepare(variant(family, shape, **options), device)
    found = make(f"search/{search}")
    here = made.task.batch("train", 0, seed=0, rank=0, batch_size=shape.batch, device=device)
    made.model.eval()

    def step() -> None:
        with torch.inference_mode():
            found.search(made.model, here.source, here.source_mask, shape.target)

    return step
