"""Attention weights of a few validation examples, written to disk during training."""

import json
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from seqtool.nn.model import Seq2Seq
from seqtool.parts.batch import Batch
from seqtool.parts.task import Task
from seqtool.runs import SeedDirectory
from seqtool.runs.files import translate_write_errors, write_atomic
from seqtool.training.sample_files import readable, write_arrays

MAX_EXAMPLES = 8
MAX_SNAPSHOTS = 24
MAX_WEIGHTS = 1 << 21
"""Attention weights in a snapshot, at most; long examples mean fewer of them."""


@dataclass(frozen=True)
class Snapshot:
    """The first examples of a validation under teacher forcing, on the CPU.

    Attributes:
        batch: the examples.
        weights: attention weights `[E, N, T, S]`.
        memory_mask: `[E, S]`, True at real positions of the memory.
        correct: `[E, T]`, True where the most likely symbol is the target.
    """

    batch: Batch
    weights: Tensor
    memory_mask: Tensor
    correct: Tensor


@cache
def snapshot_steps(steps: int, validate_every: int) -> frozenset[int]:
    """The steps whose validation writes a snapshot: all of them, or `MAX_SNAPSHOTS` evenly spaced, the last included.

    They depend only on the recipe, so a resumed run keeps the same snapshots as an uninterrupted one.
    """
    validated = [*range(validate_every, steps, validate_every), steps]
    if len(validated) <= MAX_SNAPSHOTS:
        return frozenset(validated)
    last = len(validated) - 1
    return frozenset(validated[round(i * last / (MAX_SNAPSHOTS - 1))] for i in range(MAX_SNAPSHOTS))


def take_snapshot(model: Seq2Seq, batch: Batch, predicted: Tensor, compared: Batch, weights: Tensor) -> Snapshot:
    """A snapshot of the first examples of a validation batch.

    Args:
        predicted: the teacher-forced prediction `[B, T]` or `[B, T, F]`, on the CPU.
        compared: the batch to compare it with, on the CPU.
        weights: `[B, N, T, S]`.
    """
    count = max(1, min(MAX_EXAMPLES, MAX_WEIGHTS // max(1, weights[0].numel())))
    examples = batch[:count]
    memory_mask = model.encoder(model.source_embedding(examples.source), examples.source_mask).mask
    correct = predicted[:count] == compared.target[:count]
    if correct.dim() == 3:
        correct = correct.all(2)  # continuous targets
    correct = correct & compared.target_mask[:count]
    return Snapshot(examples.to("cpu"), weights[:count].float().nan_to_num(0.0).cpu(), memory_mask.cpu(), correct)


def write_snapshot(directory: SeedDirectory, step: int, snapshot: Snapshot, task: Task) -> None:
    """Write snapshots/<step>.npz, and with the first snapshot examples.jsonl.

    Weights are stored in 8 bits as `weights / scale * 255`, with one scale for each example and head.
    """
    batch = snapshot.batch
    with translate_write_errors(directory.snapshots):
        directory.snapshots.mkdir(exist_ok=True)
    if not directory.snapshot_examples.exists():
        lines = (
            json.dumps(
                {
                    "source": readable(batch.source[i], batch.source_mask[i], task.source_vocabulary),
                    "target": readable(batch.target[i], batch.target_mask[i], task.target_vocabulary),
                },
                ensure_ascii=False,
            )
            for i in range(len(batch))
        )
        write_atomic(directory.snapshot_examples, "".join(f"{line}\n" for line in lines).encode())
    scale = snapshot.weights.amax((2, 3)).clamp(min=torch.finfo(torch.float32).tiny)
    levels = (snapshot.weights / scale[:, :, None, None] * 255).round().numpy()
    arrays = {
        "weights": levels.astype(np.uint8),
        "scale": scale.numpy(),
        "memory_mask": snapshot.memory_mask.numpy(),
        "gold": batch.alignment.numpy(),
        "right": snapshot.correct.numpy(),
    }
    write_arrays(directory.snapshot(step), arrays)
