"""Greedy search: the best symbol at every step."""

import torch
from torch import Tensor

from seqtool.api import Continuous, Hypotheses, Search, StepModel, tree
from seqtool_search.ending import DROP, asks, places, steps_written


class Greedy(Search):
    """The most probable symbol at every step, fed to the next: free-running decoding.

    Equation:
        y_i = argmax_y p(y | y_1 .. y_{i-1}, x);  of values, what the model says itself

    Source: Sutskever et al. 2014, arXiv 1409.3215, section 3.2, with a beam of one.

    When to use: always at first: the fastest, and near the best where the model is sure. Values are written by no other
    search.
    """

    requires = frozenset()

    def search(self, model: StepModel, source: Tensor, source_mask: Tensor, max_length: int) -> Hypotheses:
        """See `Search.search`; one hypothesis for each source."""
        vocabulary = model.target_vocabulary
        if isinstance(vocabulary, Continuous):
            return written_values(model, vocabulary.size, source, source_mask, max_length)
        fixed, state = model.start(source, source_mask)
        ids = torch.full_like(source_mask[:, 0], vocabulary.start, dtype=torch.int64)
        rows = torch.arange(len(ids), device=ids.device)
        going, every = torch.ones_like(ids, dtype=torch.bool), torch.zeros_like(ids)
        score = torch.zeros(len(ids), device=ids.device)
        steps: list[tuple[Tensor, Tensor]] = []
        all_weights: list[Tensor] = []
        for step in range(max_length):
            if step:
                state = model.observe(ids, fixed, state)
            logits, weights, state = model.step(ids, fixed, state)
            best, ids = logits.log_softmax(-1).max(-1)
            score = score + best.new_zeros(len(every)).index_copy(0, rows, best.masked_fill(~going, 0))
            ids = ids.masked_fill(~going, 0)
            steps.append((every.index_add(0, rows, ids), (every > 0).index_copy(0, rows, going)))
            if weights is not None:
                looked = weights.masked_fill(~going[:, None, None], 0)
                all_weights.append(looked.new_zeros(len(every), *looked.shape[1:]).index_copy(0, rows, looked))
            if vocabulary.end is None:
                continue
            going = going & (ids != vocabulary.end)
            if asks(step, ids.device):
                left = int(going.sum())
                if not left:
                    break
                if left <= DROP * len(going):
                    kept = places(going, left)
                    fixed, state = tree.select_rows(fixed, kept), tree.select_rows(state, kept)
                    rows, ids, going = rows[kept], ids[kept], going[kept]
        written, mask = (torch.stack(side, 1).unsqueeze(1) for side in zip(*steps, strict=True))
        stacked = torch.stack(all_weights, 2).unsqueeze(1) if all_weights else None
        length = steps_written(mask)
        looked = None if stacked is None else stacked[:, :, :, :length]
        return Hypotheses(written[:, :, :length], mask[:, :, :length], score.unsqueeze(1), looked)


def written_values(model: StepModel, size: int, source: Tensor, source_mask: Tensor, length: int) -> Hypotheses:
    """`length` vectors of `size` values, each fed to the next step; zeros are fed to the first."""
    fixed, state = model.start(source, source_mask)
    vector = torch.zeros(len(source), size, device=source.device)
    steps: list[Tensor] = []
    all_weights: list[Tensor] = []
    for step in range(length):
        if step:
            state = model.observe(vector, fixed, state)
        vector, weights, state = model.step(vector, fixed, state)
        steps.append(vector)
        if weights is not None:
            all_weights.append(weights)
    written = torch.stack(steps, 1).unsqueeze(1)
    stacked = torch.stack(all_weights, 2).unsqueeze(1) if all_weights else None
    mask = torch.ones(written.shape[:3], dtype=torch.bool, device=source.device)
    return Hypotheses(written, mask, torch.full(mask.shape[:2], torch.nan, device=source.device), stacked)
