"""Predictions and alignments of a fixed validation sample, for whoever looks at the run later."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqtool.nn.gate_recording import record_gates
from seqtool.parts.batch import Batch
from seqtool.parts.search import Hypotheses
from seqtool.parts.task import Task
from seqtool.runs import SeedDirectory
from seqtool.runs.files import write_atomic
from seqtool.training.arrays import symbols, write_arrays
from seqtool.training.lightning_module import SequenceModule

EXAMPLES = 200
AT_ONCE = 16
"""So many are decoded together, and gates are kept of so many."""
CELLS = 1 << 23
"""No more examples are taken once there are so many weights."""


def write_sample(directory: SeedDirectory, module: SequenceModule) -> None:
    """Decode the first validation examples with the final parameters, on the CPU.

    predictions.jsonl has a line an example; alignments.npz has the weights of what was decoded, `[examples, heads,
    target, memory]`, which positions of the memory are real, `[examples, memory]`, and the gold alignment `[examples,
    target]`, -1 where there is none. With `train.gates`, gates.npz has what the gates of each cell said in the first
    16 of them, `[examples, steps, units]`.
    """
    task, model = module.assembly.task, module.eval().cpu().float().model
    lines: list[str] = []
    arrays: dict[str, list[Any]] = {}
    cells = 0
    for kept in _examples(module):
        if cells >= CELLS:
            break
        with torch.no_grad():
            found = module.assembly.search.search(model, kept.source, kept.source_mask, kept.target.shape[1])
            mask = model.encoder(model.source_embedding(kept.source), kept.source_mask).mask
        lines += [json.dumps(line, ensure_ascii=False) + "\n" for line in _lines(task, kept, found)]
        arrays.setdefault("gold", []).append(kept.alignment.numpy())
        if found.weights is not None:
            arrays.setdefault("weights", []).append(found.weights[:, 0].float().numpy())
            arrays.setdefault("memory_mask", []).append(mask.numpy())
            cells += found.weights[:, 0].numel()
    write_atomic(directory.predictions, "".join(lines).encode())
    fill = {"gold": -1, "weights": 0, "memory_mask": False}
    write_arrays(directory.alignments, {name: _joined(parts, fill[name]) for name, parts in arrays.items()})
    if module.options.gates:
        _write_gates(directory, module)


def _examples(module: SequenceModule) -> Iterator[Batch]:
    """The first examples of what validation looks at, a few at a time."""
    task, train = module.assembly.task, module.options
    size, device = train.validation_batch_size, torch.device("cpu")
    there = task.num_batches("valid", size)
    count = train.validation_batches if there is None else min(train.validation_batches, there)
    left = EXAMPLES
    for k in range(count):
        batch = task.batch("valid", k, seed=0, rank=0, batch_size=size, device=device)
        for start in range(0, min(left, len(batch)), AT_ONCE):
            yield batch[start : min(start + AT_ONCE, left)]
        left -= len(batch)


def _lines(task: Task, batch: Batch, found: Hypotheses) -> Iterator[dict[str, Any]]:
    for i in range(len(batch)):
        written = found.mask[i, 0]
        if task.ending == "fixed":  # nothing but the target says where it ends
            written = written & batch.target_mask[i]
        yield {
            "source": symbols(batch.source[i], batch.source_mask[i], task.source_vocabulary),
            "target": symbols(batch.target[i], batch.target_mask[i], task.target_vocabulary),
            "predicted": symbols(found.ids[i, 0], written, task.target_vocabulary),
            "score": round(float(found.scores[i, 0]), 6) if task.target_vocabulary.modality == "symbols" else None,
            "exact": is_exact(task, batch, i, found.ids[i, 0][written]),
        }


def is_exact(task: Task, batch: Batch, row: int, found: Tensor) -> bool | None:
    """Whether these ids are the target, or another that is as right; a symbol with no id of its own never is.

    None for values, which are more or less near.
    """
    vocabulary = task.target_vocabulary
    if vocabulary.modality == "continuous":
        return None
    written = found.tolist()
    end = [] if vocabulary.end is None else [vocabulary.end]
    others = task.alternative_targets(batch.source[row][batch.source_mask[row]].tolist())
    right = [batch.target[row][batch.target_mask[row]].tolist(), *([*other, *end] for other in others)]
    return written in right and vocabulary.unknown not in written


def _write_gates(directory: SeedDirectory, module: SequenceModule) -> None:
    few = next(_examples(module))
    with torch.no_grad(), record_gates(module.model) as gates:
        module.assembly.search.search(module.model, few.source, few.source_mask, few.target.shape[1])
    if gates:
        write_arrays(directory.gates, {name: torch.stack(steps, 1).numpy() for name, steps in gates.items()})


def _joined(parts: list[Any], fill: float) -> Any:
    """Arrays of several batches below one another, the shorter ones filled up."""
    widest = np.max([part.shape[1:] for part in parts], axis=0)
    padded = (
        np.pad(
            part,
            [(0, 0), *((0, wide - own) for wide, own in zip(widest, part.shape[1:], strict=True))],
            constant_values=fill,
        )
        for part in parts
    )
    return np.concatenate(list(padded))
