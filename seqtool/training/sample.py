"""Predictions and alignments of a fixed validation sample, for whoever looks at the run later."""

import io
import json
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqtool.files import write_atomic
from seqtool.parts.batch import Batch
from seqtool.parts.vocabulary import Vocabulary
from seqtool.rundir import SeedDirectory
from seqtool.training.module import SequenceModule

EXAMPLES = 16


def write_sample(directory: SeedDirectory, module: SequenceModule) -> None:
    """Decode the first validation examples with the final parameters, on the CPU.

    predictions.jsonl has a line an example; alignments.npz has the weights of what was decoded, `[examples, heads,
    target, source]`, and the gold alignment `[examples, target]`, -1 where there is none.
    """
    task, vocabulary = module.assembly.task, module.assembly.task.source_vocabulary
    module.eval().cpu().float()
    size = module.variant.train.validation_batch_size
    batch = task.batch("valid", 0, seed=0, rank=0, batch_size=size, device=torch.device("cpu"))
    batch = Batch(*(getattr(batch, field.name)[:EXAMPLES] for field in fields(batch)))
    with torch.no_grad():
        steps = batch.target.shape[1]
        found = module.assembly.search.search(module.model, batch.source, batch.source_mask, steps)
    lines = []
    for i in range(len(batch)):
        written = found.mask[i, 0]
        if task.ending == "fixed":  # nothing but the target says where it ends
            written = written & batch.target_mask[i]
        line: dict[str, Any] = {
            "source": _symbols(batch.source[i], batch.source_mask[i], vocabulary),
            "target": _symbols(batch.target[i], batch.target_mask[i], task.target_vocabulary),
            "predicted": _symbols(found.ids[i, 0], written, task.target_vocabulary),
            "score": round(float(found.scores[i, 0]), 6),
        }
        lines.append(json.dumps(line, ensure_ascii=False) + "\n")
    write_atomic(directory.predictions, "".join(lines).encode())
    arrays = {"gold": batch.alignment.numpy()}
    if found.weights is not None:
        arrays["weights"] = found.weights[:, 0].float().numpy()
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)  # type: ignore[arg-type]
    write_atomic(directory.alignments, packed.getvalue())


def _symbols(ids: Tensor, mask: Tensor, vocabulary: Vocabulary) -> list[str]:
    return [vocabulary.symbols[i] for i in ids[mask].tolist()]
