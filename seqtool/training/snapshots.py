"""Where the model looks while it learns: the weights of a few validation examples, written as training goes."""

import json
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from seqtool.nn.feeding import greedy_prediction
from seqtool.nn.model import Seq2Seq
from seqtool.parts.batch import Batch
from seqtool.parts.task import Task
from seqtool.runs import SeedDirectory
from seqtool.runs.files import telling, write_atomic
from seqtool.training.arrays import symbols, write_arrays

EXAMPLES = 8
SNAPSHOTS = 24
CELLS = 1 << 21
"""At most so many weights a snapshot: fewer examples where each has many."""


@dataclass(frozen=True)
class Glimpse:
    """The first examples of a validation under teacher forcing, on the CPU.

    `weights [E, N, T, S]`; `memory_mask [E, S]`, True where the memory is real; `right [E, T]`, whether the likeliest
    symbol was the gold one.
    """

    batch: Batch
    weights: Tensor
    memory_mask: Tensor
    right: Tensor


@cache
def snapshot_steps(steps: int, validate_every: int) -> frozenset[int]:
    """After which validations a snapshot is kept: all of them, or `SNAPSHOTS` evenly among them, the last included.

    They follow from the recipe alone, so that a resumed run keeps those of the uninterrupted one.
    """
    validated = [*range(validate_every, steps, validate_every), steps]
    if len(validated) <= SNAPSHOTS:
        return frozenset(validated)
    last = len(validated) - 1
    return frozenset(validated[round(i * last / (SNAPSHOTS - 1))] for i in range(SNAPSHOTS))


def glimpse(model: Seq2Seq, batch: Batch, logits: Tensor, weights: Tensor) -> Glimpse:
    """The first examples of what a model gave for a validation batch: `logits [B, T, V]`, `weights [B, N, T, S]`."""
    count = max(1, min(EXAMPLES, CELLS // max(1, weights[0].numel())))
    few = batch[:count]
    memory_mask = model.encoder(model.source_embedding(few.source), few.source_mask).mask
    right = greedy_prediction(logits[:count], model.target_vocabulary) == few.target
    if right.dim() == 3:
        right = right.all(2)  # values, of which hardly any is
    right = right & few.target_mask
    return Glimpse(few.to("cpu"), weights[:count].float().nan_to_num(0.0).cpu(), memory_mask.cpu(), right.cpu())


def write_snapshot(directory: SeedDirectory, step: int, seen: Glimpse, task: Task) -> None:
    """Write snapshots/<step>.npz, and beside the first of them the examples that they are all of.

    Weights are kept in 8 bits: `weights * scale / 255`, a scale for each example and head.
    """
    batch = seen.batch
    with telling(directory.snapshots):
        directory.snapshots.mkdir(exist_ok=True)
    if not directory.snapshot_examples.exists():
        lines = (
            json.dumps(
                {
                    "source": symbols(batch.source[i], batch.source_mask[i], task.source_vocabulary),
                    "target": symbols(batch.target[i], batch.target_mask[i], task.target_vocabulary),
                },
                ensure_ascii=False,
            )
            for i in range(len(batch))
        )
        write_atomic(directory.snapshot_examples, "".join(f"{line}\n" for line in lines).encode())
    scale = seen.weights.amax((2, 3)).clamp(min=torch.finfo(torch.float32).tiny)
    levels = (seen.weights / scale[:, :, None, None] * 255).round().numpy()
    arrays = {
        "weights": levels.astype(np.uint8),
        "scale": scale.numpy(),
        "memory_mask": seen.memory_mask.numpy(),
        "gold": batch.alignment.numpy(),
        "right": seen.right.numpy(),
    }
    write_arrays(directory.snapshot(step), arrays)
