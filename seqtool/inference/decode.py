"""Decode a batch of sources into hypotheses without padding."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seqtool.build.torch_settings import default_settings
from seqtool.nn.memory_recording import record_memory_masks
from seqtool.nn.model import Seq2Seq
from seqtool.parts.search import Hypotheses, Search


class RawHypothesis(NamedTuple):
    """The ids of one hypothesis, its end symbol included, its score, and its attention weights `[N, T, M]`, M real.

    With continuous targets `ids` are vectors, and `score` is None.
    """

    ids: tuple[Any, ...]
    score: float | None
    weights: Any


@default_settings()
def decode_batch(
    model: Seq2Seq, search: Search, source: Tensor, mask: Tensor, max_length: int
) -> list[list[RawHypothesis]]:
    """The hypotheses of each source, best first."""
    with torch.inference_mode(), record_memory_masks(model.encoder) as masks:
        found = search.search(model, source, mask, max_length)
    weights = None if found.weights is None else found.weights.cpu()
    found = Hypotheses(found.ids.cpu(), found.mask.cpu(), found.scores.cpu(), weights)
    memory_mask = masks[-1].cpu()
    return [list(_hypotheses(found, row, memory_mask[row])) for row in range(len(source))]


def _hypotheses(found: Hypotheses, row: int, memory_mask: Tensor) -> Iterator[RawHypothesis]:
    for k, score in enumerate(found.scores[row].tolist()):
        if score == -torch.inf:
            continue
        real, weights = found.mask[row, k], None
        if found.weights is not None:
            weights = found.weights[row, k][:, real][:, :, memory_mask].float().numpy()
        ids = found.ids[row, k][real].tolist()
        if found.ids.is_floating_point():
            yield RawHypothesis(tuple(map(tuple, ids)), None, weights)
        else:
            yield RawHypothesis(tuple(ids), score, weights)
