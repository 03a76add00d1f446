"""Beam search. Sutskever et al. 2014, arXiv 1409.3215; the length penalty: Wu et al. 2016, arXiv 1609.08144, eq. 14."""

import torch
from torch import Tensor

from seqtool.api import Hypotheses, NonNegative, PartError, Search, Size, StepModel, tree
from seqtool_search.beam_history import BeamStep, Finished, backtrack
from seqtool_search.completion import MAX_ACTIVE_FRACTION, is_check_step, true_indices


class Beam(Search):
    """Extends the `size` most probable hypotheses in parallel, and returns the best by a length-normalised score.

    Equation:
        rank(Y) = log p(Y | x) / lp(|Y|),  lp(n) = ((5 + n) / 6)^length_penalty

    Source: Sutskever et al. 2014, arXiv 1409.3215, section 3.2; lp: Wu et al. 2016, arXiv 1609.08144, eq. 14.

    A hypothesis that generates the end symbol leaves the beam, whose size decreases by one, as in the paper; a beam of
    size 1 is greedy search. A source is finished when no active hypothesis can outrank its `best` finished ones: log p
    only decreases and lp is largest at the last step, so log p / lp(max_length) is an upper bound of the rank.

    When to use: when the most probable next symbol is often wrong and later symbols resolve it. Set `length_penalty`
    above 0 if outputs are too short.

    Args:
        size: K, the number of hypotheses extended in parallel.
        length_penalty: 0 ranks by probability; larger values favour longer hypotheses.
        best: the number of hypotheses returned; null for one.

    Raises:
        PartError: `best` is larger than `size`.
    """

    count_option = "best"

    def __init__(self, *, size: Size = 4, length_penalty: NonNegative = 0.0, best: Size | None = None) -> None:
        self.size, self.length_penalty, self.best = size, length_penalty, best or 1
        if self.best > size:
            message = f"a beam of {size} holds no {self.best} hypotheses"
            raise PartError(message, option="best", allowed=f"up to size ({size})")

    def rank(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """See `Search.rank`."""
        return scores / ((5 + lengths) / 6) ** self.length_penalty

    def search(self, model: StepModel, source: Tensor, source_mask: Tensor, max_length: int) -> Hypotheses:
        """See `Search.search`."""
        end, start = model.target_vocabulary.end, model.target_vocabulary.start
        batch, size, device = len(source), self.size, source.device
        fixed, state = tree.repeat_rows(model.start(source, source_mask), size)
        ids = torch.full((batch, size), start or 0, device=device)
        scores = torch.full((batch, size), -torch.inf, device=device)
        scores[:, 0] = 0  # the other hypotheses are copies of the first and must not be selected too
        steps: list[BeamStep] = []
        active = torch.arange(batch, device=device)  # the sources that are still extended
        finished = all_finished = Finished.none(scores)  # of the active sources; of the whole batch
        for step in range(max_length):
            if step:
                state = model.observe(ids.flatten(), fixed, state)
            logits, weights, state = model.step(ids.flatten(), fixed, state)
            log_p = logits.log_softmax(-1, torch.promote_types(logits.dtype, torch.float32))
            extended = log_p.unflatten(0, (len(active), size)) + scores[:, :, None]
            scores, parents, ids = self._select(extended, finished)
            parent_rows = (parents + size * torch.arange(len(active), device=device)[:, None]).flatten()
            state = tree.select_rows(state, parent_rows)
            beam_weights = None if weights is None else weights.unflatten(0, (len(active), size))
            steps.append(BeamStep(parents, ids, beam_weights).expand(batch, active))
            ended = scores.isfinite()
            if step + 1 < max_length:
                ended = torch.zeros_like(ended) if end is None else ended & (ids == end)
            finished = finished.merge(scores, self.rank(scores, torch.tensor(step + 1)), ended, step)
            scores = scores.masked_fill(ended, -torch.inf)
            bound = self.rank(scores.amax(1), torch.tensor(max_length))
            scores = scores.masked_fill((finished.kth_rank(self.best) >= bound)[:, None], -torch.inf)
            if end is None or not is_check_step(step, device):
                continue
            unfinished = scores.isfinite().any(1)
            num_unfinished = int(unfinished.sum())
            if not num_unfinished:
                break
            if num_unfinished <= MAX_ACTIVE_FRACTION * len(active):
                all_finished = all_finished.with_rows(active, finished)
                kept = true_indices(unfinished, num_unfinished)
                kept_rows = (kept[:, None] * size + torch.arange(size, device=device)).flatten()
                fixed, state = tree.select_rows(fixed, kept_rows), tree.select_rows(state, kept_rows)
                active, ids, scores, finished = (
                    active[kept],
                    ids[kept],
                    scores[kept],
                    Finished(*(x[kept] for x in finished)),
                )
        return backtrack(steps, all_finished.with_rows(active, finished), self.best)

    def _select(self, extended: Tensor, finished: Finished) -> tuple[Tensor, Tensor, Tensor]:
        """The best of `extended [B, K, V]`: their scores, the indices of their parents, their symbols, `[B, K]` each.

        K minus the number of finished hypotheses are selected; the scores of the rest are -inf.
        """
        num_symbols = extended.shape[2]
        flat = extended.flatten(1)
        best, index = flat.topk(min(self.size, flat.shape[1]), 1)
        missing = self.size - best.shape[1]
        best = torch.nn.functional.pad(best, (0, missing), value=-torch.inf)
        index = torch.nn.functional.pad(index, (0, missing))
        place = torch.arange(self.size, device=flat.device)
        best = best.masked_fill(place >= self.size - finished.count()[:, None], -torch.inf)
        parents = torch.div(index, num_symbols, rounding_mode="floor")
        return best, parents, (index % num_symbols).masked_fill(best.isinf(), 0)
