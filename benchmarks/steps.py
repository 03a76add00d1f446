"""seqtool's own work: a training step, and decoding."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.shapes import Shape, variant
from seqtool.build.assembly import Assembly, assemble, build_optimizer, make
from seqtool.build.kernels import install
from seqtool.parts.batch import Batch
from seqtool.parts.clipping import Clipping
from seqtool.recipe import Variant
from seqtool.registry import default_registry

CPU = torch.device("cpu")


def trained(chosen: Variant) -> tuple[Assembly, torch.optim.Optimizer]:
    """That model with its task, its loss, its optimizer, and the twins that its engine has for them."""
    made = assemble(chosen, seed=0)
    optimizer = build_optimizer(chosen, made.model)
    install(made.model, chosen.train.engine, default_registry(), CPU, torch.float32, {"optimizer": optimizer})
    return made, optimizer


def batch(shape: Shape) -> Batch:
    """A batch of the alignment task, the same for everyone."""
    task = assemble(variant("plain", shape), seed=0).task
    return task.batch("train", 0, seed=0, rank=0, batch_size=shape.batch, device=CPU)


def updated(model: nn.Module, loss: Callable[[], Tensor], optimizer: torch.optim.Optimizer) -> Callable[[], None]:
    """A training step: forward, backward, clipping, the optimizer."""

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        clip(model, optimizer, 1.0)
        optimizer.step()

    return step


def clip(model: nn.Module, optimizer: torch.optim.Optimizer, limit: float) -> None:
    """By the optimizer where it can, as `seqtool run` does; by torch where it cannot."""
    if isinstance(optimizer, Clipping):
        optimizer.clip(limit)
    else:
        nn.utils.clip_grad_norm_(model.parameters(), limit)


def training(family: str, shape: Shape, **options: str) -> Callable[[], None]:
    """A training step of seqtool's model on one batch."""
    chosen = variant(family, shape, **options)
    made, optimizer = trained(chosen)
    here = made.task.batch("train", 0, seed=0, rank=0, batch_size=shape.batch, device=CPU)

    def loss() -> Tensor:
        logits, weights = made.model(here)
        total, count = made.loss(logits, weights, here)
        return total / count

    return updated(made.model, loss, optimizer)


def decoding(family: str, shape: Shape, search: str, **options: str) -> Callable[[], None]:
    """Free-running search for a batch of sources; every hypothesis goes to the full length."""
    made, _ = trained(variant(family, shape, **options))
    found = make(f"search/{search}")
    here = made.task.batch("train", 0, seed=0, rank=0, batch_size=shape.batch, device=CPU)
    made.model.eval()

    def step() -> None:
        with torch.inference_mode():
            found.search(made.model, here.source, here.source_mask, shape.target)

    return step
