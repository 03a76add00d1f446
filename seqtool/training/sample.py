"""Predictions and alignments of a fixed validation sample, for whoever looks at the run later."""

import io
import json
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqtool.files import write_atomic
from seqtool.nn.gates import watched_gates
from seqtool.parts.batch import Batch
from seqtool.parts.vocabulary import Vocabulary
from seqtool.rundir import SeedDirectory
from seqtool.training.module import SequenceModule

EXAMPLES = 16


def write_sample(directory: SeedDirectory, module: SequenceModule) -> None:
    """Decode the first validation examples with the final parameters, on the CPU.

    predictions.jsonl has a line an example; alignments.npz has the weights of what was decoded, `[examples, heads,
    target, memory]`, which positions of the memory are real, `[examples, memory]`, and the gold alignment `[examples,
    target]`, -1 where there is none. With `train.gates`, gates.npz has what the gates of each cell said, `[examples,
    steps, units]`.
    """
    task, vocabulary = module.assembly.task, module.assembly.task.source_vocabulary
    module.eval().cpu().float()
    size = module.variant.train.validation_batch_size
    batch = task.batch("valid", 0, seed=0, rank=0, batch_size=size, device=torch.device("cpu"))
    batch = Batch(*(getattr(batch, field.name)[:EXAMPLES] for field in fields(batch)))
    model, gates = module.model, {}
    with torch.no_grad(), ExitStack() as stack:
        if module.variant.train.gates:
            gates = stack.enter_context(watched_gates(model))
        found = module.assembly.search.search(model, batch.source, batch.source_mask, batch.target.shape[1])
    lines = []
    for i in range(len(batch)):
        written = found.mask[i, 0]
        if task.ending == "fixed":  # nothing but the target says where it ends
            written = written & batch.target_mask[i]
        line: dict[str, Any] = {
            "source": _symbols(batch.source[i], batch.source_mask[i], vocabulary),
            "target": _symbols(batch.target[i], batch.target_mask[i], task.target_vocabulary),
            "predicted": _symbols(found.ids[i, 0], written, task.target_vocabulary),
            "score": round(float(found.scores[i, 0]), 6) if module.symbols else None,
        }
        lines.append(json.dumps(line, ensure_ascii=False) + "\n")
    write_atomic(directory.predictions, "".join(lines).encode())
    arrays = {"gold": batch.alignment.numpy()}
    if found.weights is not None:
        arrays["weights"] = found.weights[:, 0].float().numpy()
        with torch.no_grad():
            encoded = model.encoder(model.source_embedding(batch.source), batch.source_mask)
        arrays["memory_mask"] = encoded.mask.numpy()
    _write_arrays(directory.alignments, arrays)
    if gates:
        _write_arrays(directory.gates, {name: torch.stack(said, 1).numpy() for name, said in gates.items()})


def _write_arrays(path: Path, arrays: dict[str, Any]) -> None:
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    write_atomic(path, packed.getvalue())


def _symbols(ids: Tensor, mask: Tensor, vocabulary: Vocabulary) -> list[Any]:
    """The symbols of a row, or its vectors."""
    if vocabulary.form == "values":
        return [[round(value, 6) for value in vector] for vector in ids[mask].tolist()]
    return list(vocabulary.names(ids[mask].tolist()))
