"""A search over a batch of sources, as arrays cut to what was written."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seqtool.nn.memory_recording import record_memory_masks
from seqtool.nn.model import Seq2Seq
from seqtool.parts.search import Hypotheses, Search


class Written(NamedTuple):
    """One hypothesis: its ids, the end symbol included; its score; its weights `[N, T, M]` of the real memory.

    Of values: its vectors, and no score.
    """

    ids: tuple[Any, ...]
    score: float | None
    weights: Any


def decoded(model: Seq2Seq, search: Search, source: Tensor, mask: Tensor, max_length: int) -> list[list[Written]]:
    """What a search writes for each source, the best first."""
    with torch.inference_mode(), record_memory_masks(model.encoder) as masks:
        found = search.search(model, source, mask, max_length)
    weights = None if found.weights is None else found.weights.cpu()
    found = Hypotheses(found.ids.cpu(), found.mask.cpu(), found.scores.cpu(), weights)
    memory_mask = masks[-1].cpu()
    return [list(_written(found, row, memory_mask[row])) for row in range(len(source))]


def _written(found: Hypotheses, row: int, memory_mask: Tensor) -> Iterator[Written]:
    for k, score in enumerate(found.scores[row].tolist()):
        if score == -torch.inf:
            continue
        real, weights = found.mask[row, k], None
        if found.weights is not None:
            weights = found.weights[row, k][:, real][:, :, memory_mask].float().numpy()
        ids = found.ids[row, k][real].tolist()
        if found.ids.is_floating_point():
            yield Written(tuple(map(tuple, ids)), None, weights)
        else:
            yield Written(tuple(ids), score, weights)
