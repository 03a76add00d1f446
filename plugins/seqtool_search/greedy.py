"""Greedy search. Sutskever et al. 2014, arXiv 1409.3215, section 3.2."""

import torch
from torch import Tensor

from seqtool.api import Continuous, Hypotheses, Search, StepModel, tree
from seqtool_search.completion import MAX_ACTIVE_FRACTION, is_check_step, max_hypothesis_length, true_indices


class Greedy(Search):
    """Predicts the most probable symbol at every step, which is the input of the next step.

    Equation:
        y_i = argmax_y p(y | y_1 .. y_{i-1}, x);  for continuous targets, the model's prediction

    Source: Sutskever et al. 2014, arXiv 1409.3215, section 3.2, with a beam of size 1.

    When to use: the default. It is the fastest search, and close to the best if the model's probabilities are peaked.
    It is the only search for continuous targets.
    """

    requires = frozenset()

    def search(self, model: StepModel, source: Tensor, source_mask: Tensor, max_length: int) -> Hypotheses:
        """See `Search.search`; one hypothesis for each source."""
        vocabulary = model.target_vocabulary
        if isinstance(vocabulary, Continuous):
            return predict_continuous(model, vocabulary.size, source, source_mask, max_length)
        fixed, state = model.start(source, source_mask)
        ids = torch.full_like(source_mask[:, 0], vocabulary.start, dtype=torch.int64)
        rows = torch.arange(len(ids), device=ids.device)  # the sources that are still extended
        active, zeros = torch.ones_like(ids, dtype=torch.bool), torch.zeros_like(ids)
        score = torch.zeros(len(ids), device=ids.device)
        steps: list[tuple[Tensor, Tensor]] = []
        all_weights: list[Tensor] = []
        for step in range(max_length):
            if step:
                state = model.observe(ids, fixed, state)
            logits, weights, state = model.step(ids, fixed, state)
            log_p, ids = logits.log_softmax(-1).max(-1)
            score = score + log_p.new_zeros(len(zeros)).index_copy(0, rows, log_p.masked_fill(~active, 0))
            ids = ids.masked_fill(~active, 0)
            steps.append((zeros.index_add(0, rows, ids), (zeros > 0).index_copy(0, rows, active)))
            if weights is not None:
                weights = weights.masked_fill(~active[:, None, None], 0)
                all_weights.append(weights.new_zeros(len(zeros), *weights.shape[1:]).index_copy(0, rows, weights))
            if vocabulary.end is None:
                continue
            active = active & (ids != vocabulary.end)
            if is_check_step(step, ids.device):
                num_active = int(active.sum())
                if not num_active:
                    break
                if num_active <= MAX_ACTIVE_FRACTION * len(active):
                    kept = true_indices(active, num_active)
                    fixed, state = tree.select_rows(fixed, kept), tree.select_rows(state, kept)
                    rows, ids, active = rows[kept], ids[kept], active[kept]
        all_ids, mask = (torch.stack(side, 1).unsqueeze(1) for side in zip(*steps, strict=True))
        length = max_hypothesis_length(mask)
        stacked = torch.stack(all_weights, 2).unsqueeze(1)[:, :, :, :length] if all_weights else None
        return Hypotheses(all_ids[:, :, :length], mask[:, :, :length], score.unsqueeze(1), stacked)


def predict_continuous(model: StepModel, size: int, source: Tensor, source_mask: Tensor, length: int) -> Hypotheses:
    """`length` vectors of `size` values, each the input of the next step; the first input is zero."""
    fixed, state = model.start(source, source_mask)
    values = torch.zeros(len(source), size, device=source.device)
    steps: list[Tensor] = []
    all_weights: list[Tensor] = []
    for step in range(length):
        if step:
            state = model.observe(values, fixed, state)
        values, weights, state = model.step(values, fixed, state)
        steps.append(values)
        if weights is not None:
            all_weights.append(weights)
    predicted = torch.stack(steps, 1).unsqueeze(1)
    stacked = torch.stack(all_weights, 2).unsqueeze(1) if all_weights else None
    mask = torch.ones(predicted.shape[:3], dtype=torch.bool, device=source.device)
    return Hypotheses(predicted, mask, torch.full(mask.shape[:2], torch.nan, device=source.device), stacked)
