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


def prepare(recipe_variant: Variant, device: torch.device = CPU) -> tuple[Assembly, torch.optim.Optimizer]:
    """The assembly of a variant with its engine's kernels, on a device, and its optimizer."""
    assembly = assemble(recipe_variant, seed=0)
    assembly.model.to(device)
    assembly.loss.to(device)
    install(
        assembly.model,
        recipe_variant.train.engine,
        default_registry(),
        device,
        torch.float32,
        {"optimizer": assembly.optimizer},
    )
    return assembly, assembly.optimizer


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
    assembly, optimizer = prepare(variant(family, shape, **options), device)
    data = assembly.task.batch("train", 0, seed=0, rank=0, batch_size=shape.batch, device=device)
    return partial(batch_step(assembly, optimizer, graphs=graphs), data)


def batch_step(
    assembly: Assembly, optimizer: torch.optim.Optimizer, *, graphs: bool = False, limit: float | None = 1.0
) -> Callable[[Batch], None]:
    """A training step on any batch. With `graphs`, steps after the first are replayed as a CUDA graph.

    Args:
        limit: the maximum gradient norm; None for no clipping.
    """

    def eager(data: Batch) -> None:
        training_step(assembly.model, lambda: _objective(assembly, data)[0], optimizer, limit)()

    if not graphs:
        return eager
    clipped = partial(clip, assembly.model, optimizer, limit)
    graphed = GraphedStep(assembly.model, partial(_objective, assembly), optimizer, clipped)

    def step(data: Batch) -> None:
        if not optimizer.state:  # created by the first step
            eager(data)
            return
        graphed(data)
        if graphed.reason is not None:
            raise RuntimeError(f"the step is not captured: {graphed.reason}")

    return step


def _objective(assembly: Assembly, data: Batch) -> tuple[Tensor, Tensor]:
    """`(mean loss, [summed loss, real tokens])`."""
    logits, weights = assembly.model(data)
    total, count = assembly.loss(logits, weights, data)
    return total / count, torch.stack([total.detach(), count.to(total.dtype)])


def decoding(
    family: str, shape: Shape, search: str, *, device: torch.device = CPU, **options: str
) -> Callable[[], None]:
    """Decoding of a batch of sources; every hypothesis has the full length."""
    assembly, _ = prepare(variant(family, shape, **options), device)
    searcher = make(f"search/{search}")
    data = assembly.task.batch("train", 0, seed=0, rank=0, batch_size=shape.batch, device=device)
    assembly.model.eval()

    def step() -> None:
        with torch.inference_mode():
            searcher.search(assembly.model, data.source, data.source_mask, shape.target)

    return step
