"""Predictions, attention weights and gates of a fixed validation sample, written at the end of training."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.nn.functional import pad

from seqtool.nn.accepted_targets import Targets, accepted_targets, compare_decoded
from seqtool.nn.gate_recording import record_gates
from seqtool.parts.batch import Batch
from seqtool.parts.search import Hypotheses
from seqtool.parts.task import Task
from seqtool.runs import SeedDirectory
from seqtool.runs.files import write_atomic
from seqtool.training.lightning_module import SequenceModule
from seqtool.training.sample_files import readable, write_arrays

MAX_EXAMPLES = 200
BATCH_SIZE = 16
"""Examples decoded together. Gates are kept for the first batch."""
MAX_WEIGHTS = 1 << 23
"""Decoding stops once there are this many attention weights."""


def write_sample(directory: SeedDirectory, module: SequenceModule) -> None:
    """Decode the first validation examples with the final parameters, on the CPU.

    Writes predictions.jsonl, one line for each example, and alignments.npz: the attention weights of the predictions
    `[examples, heads, target, memory]`, the memory mask `[examples, memory]`, and the gold alignment `[examples,
    target]`, -1 for none. With `train.gates`, gates.npz has the gates of each cell in the first 16 examples,
    `[examples, steps, units]`.
    """
    task, model = module.assembly.task, module.eval().cpu().float().model
    lines: list[str] = []
    arrays: dict[str, list[Any]] = {}
    num_weights = 0
    for batch in _batches(module):
        if num_weights >= MAX_WEIGHTS:
            break
        accepted = accepted_targets(task, batch) if module.symbols else []
        steps = max([batch.target.shape[1], *(len(target) for targets in accepted for target in targets)])
        with torch.no_grad():
            found = module.assembly.search.search(model, batch.source, batch.source_mask, steps)
            mask = model.encoder(model.source_embedding(batch.source), batch.source_mask).mask
        lines += [json.dumps(line, ensure_ascii=False) + "\n" for line in _lines(task, batch, found, accepted)]
        arrays.setdefault("gold", []).append(pad(batch.alignment, (0, steps - batch.target.shape[1]), value=-1).numpy())
        if found.weights is not None:
            arrays.setdefault("weights", []).append(found.weights[:, 0].float().numpy())
            arrays.setdefault("memory_mask", []).append(mask.numpy())
            num_weights += found.weights[:, 0].numel()
    write_atomic(directory.predictions, "".join(lines).encode())
    fill = {"gold": -1, "weights": 0, "memory_mask": False}
    write_arrays(directory.alignments, {name: _concatenate(parts, fill[name]) for name, parts in arrays.items()})
    if module.options.gates:
        _write_gates(directory, module)


def _batches(module: SequenceModule) -> Iterator[Batch]:
    """The first examples of validation, in small batches."""
    task, train = module.assembly.task, module.options
    size, device = train.validation_batch_size, torch.device("cpu")
    available = task.num_batches("valid", size)
    count = train.validation_batches if available is None else min(train.validation_batches, available)
    left = MAX_EXAMPLES
    for k in range(count):
        batch = task.batch("valid", k, seed=0, rank=0, batch_size=size, device=device)
        for start in range(0, min(left, len(batch)), BATCH_SIZE):
            yield batch[start : min(start + BATCH_SIZE, left)]
        left -= len(batch)


def _lines(task: Task, batch: Batch, found: Hypotheses, accepted: list[Targets]) -> Iterator[dict[str, Any]]:
    """One line of predictions.jsonl for each example. Continuous targets are not counted as correct or wrong."""
    ids, mask = found.ids[:, 0], found.mask[:, 0]
    comparison = compare_decoded(task, ids, mask, accepted) if accepted else None
    mask = comparison.mask[:, : ids.shape[1]] if comparison else mask & batch.target_mask
    for i in range(len(batch)):
        yield {
            "source": readable(batch.source[i], batch.source_mask[i], task.source_vocabulary),
            "target": readable(batch.target[i], batch.target_mask[i], task.target_vocabulary),
            "predicted": readable(ids[i], mask[i], task.target_vocabulary),
            "score": round(float(found.scores[i, 0]), 6) if comparison else None,
            "exact": bool(comparison.exact[i]) if comparison else None,
            "correct": int(comparison.correct[i].sum()) if comparison else None,
            "tokens": int(comparison.tokens[i]) if comparison else None,
        }


def _write_gates(directory: SeedDirectory, module: SequenceModule) -> None:
    batch = next(_batches(module))
    with torch.no_grad(), record_gates(module.model) as gates:
        module.assembly.search.search(module.model, batch.source, batch.source_mask, batch.target.shape[1])
    if gates:
        write_arrays(directory.gates, {name: torch.stack(steps, 1).numpy() for name, steps in gates.items()})


def _concatenate(parts: list[Any], fill: float) -> Any:
    """Concatenate arrays along the first axis, padding the others with `fill`."""
    sizes = np.max([part.shape[1:] for part in parts], axis=0)
    padded = (
        np.pad(
            part,
            [(0, 0), *((0, size - own) for size, own in zip(sizes, part.shape[1:], strict=True))],
            constant_values=fill,
        )
        for part in parts
    )
    return np.concatenate(list(padded))
