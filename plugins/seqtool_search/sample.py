"""Sampling. Temperature: Ackley et al. 1985; top-k: Fan et al. 2018; top-p: Holtzman et al. 2020."""

import torch
from torch import Tensor

from seqtool.api import Count, Hypotheses, Positive, Probability, Search, Size, StepModel, tree
from seqtool_search.completion import is_check_step, max_hypothesis_length


class Sample(Search):
    """Samples each symbol from the model's distribution, with a temperature and top-k or top-p truncation.

    Equation:
        y_i ~ softmax(logits / temperature) over the symbols that are kept, renormalised

    Source: top-k: Fan et al. 2018, arXiv 1805.04833, section 5; top-p (nucleus): Holtzman et al. 2020, arXiv
    1904.09751, section 3.1.

    When to use: to inspect the model's distribution, or if several different outputs are needed. For the most probable
    output use `greedy` or `beam`.

    Scores are the model's log-probabilities, before temperature and truncation; hypotheses are sorted by them. The
    random numbers depend on the seed alone: equal batches give equal samples.

    Args:
        temperature: values below 1 sharpen the distribution.
        top_k: the number of most probable symbols to keep; null for all.
        top_p: keep the smallest set of most probable symbols whose probabilities sum to at least this value.
        samples: the number of hypotheses for each source.
        seed: the seed of the random numbers.
    """

    stochastic = True
    count_option = "samples"

    def __init__(
        self,
        *,
        temperature: Positive = 1.0,
        top_k: Size | None = None,
        top_p: Probability = 1.0,
        samples: Size = 1,
        seed: Count = 0,
    ) -> None:
        self.temperature, self.top_k, self.top_p = temperature, top_k, top_p
        self.samples, self.seed = samples, seed

    def search(self, model: StepModel, source: Tensor, source_mask: Tensor, max_length: int) -> Hypotheses:
        """See `Search.search`."""
        end, batch, samples = model.target_vocabulary.end, len(source), self.samples
        generator = torch.Generator(source.device)
        generator.manual_seed(self.seed)
        fixed, state = tree.repeat_rows(model.start(source, source_mask), samples)
        ids = torch.full((batch * samples,), model.target_vocabulary.start or 0, device=source.device)
        active, score = torch.ones_like(ids, dtype=torch.bool), torch.zeros(len(ids), device=source.device)
        steps: list[tuple[Tensor, Tensor]] = []
        all_weights: list[Tensor] = []
        for step in range(max_length):
            if step:
                state = model.observe(ids, fixed, state)
            logits, weights, state = model.step(ids, fixed, state)
            log_p = logits.log_softmax(-1, torch.promote_types(logits.dtype, torch.float32))
            ids = sample_rows(self._truncate(log_p), generator).masked_fill(~active, 0)
            score = score + log_p.gather(1, ids[:, None]).squeeze(1).masked_fill(~active, 0)
            steps.append((ids, active))
            if weights is not None:
                all_weights.append(weights.masked_fill(~active[:, None, None], 0))
            if end is not None:
                active = active & (ids != end)
                if is_check_step(step, ids.device) and not active.any():
                    break
        all_ids, mask = (torch.stack(side, 1).unflatten(0, (batch, samples)) for side in zip(*steps, strict=True))
        score, order = score.unflatten(0, (batch, samples)).sort(dim=1, descending=True, stable=True)
        rows = torch.arange(batch, device=order.device)[:, None], order
        length = max_hypothesis_length(mask)
        stacked = None
        if all_weights:
            stacked = torch.stack(all_weights, 2).unflatten(0, (batch, samples))[rows][:, :, :, :length]
        return Hypotheses(all_ids[rows][:, :, :length], mask[rows][:, :, :length], score, stacked)

    def _truncate(self, log_p: Tensor) -> Tensor:
        """The probabilities `[B, V]`, not normalised, after temperature, top-k and top-p."""
        probability = (log_p / self.temperature).softmax(-1)
        descending, order = probability.sort(dim=1, descending=True, stable=True)
        dropped = descending.cumsum(1) - descending >= self.top_p  # the more probable symbols sum to top_p already
        if self.top_k is not None:
            dropped = dropped | (torch.arange(dropped.shape[1], device=dropped.device) >= self.top_k)
        dropped[:, 0] = False
        return probability.masked_fill(torch.zeros_like(dropped).scatter(1, order, dropped), 0)


def sample_rows(probability: Tensor, generator: torch.Generator) -> Tensor:
    """One symbol from each row of `probability [B, V]`: `[B]`, equal to that of `torch.multinomial`.

    It is the minimum of independent exponential variables whose rates are the probabilities, as in `multinomial`, which
    however first reads the sums of the rows and so waits for the device.
    """
    waiting = torch.empty_like(probability).exponential_(1.0, generator=generator)
    return (probability / waiting).argmax(1)
