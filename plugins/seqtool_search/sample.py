"""Sampling from a model. Temperature: Ackley et al. 1985; top-k: Fan et al. 2018; top-p: Holtzman et al. 2020."""

import torch
from torch import Tensor

from seqtool.api import Count, Hypotheses, Positive, Probability, Search, Size, StepModel, tree
from seqtool_search.ending import asks, steps_written


class Sample(Search):
    """Each symbol drawn from what the model says, sharpened and cut.

    Equation:
        y_i ~ softmax(logits / temperature) over the symbols that are kept, renormalised

    Source: top-k: Fan et al. 2018, arXiv 1805.04833, section 5; top-p (nucleus): Holtzman et al. 2020, arXiv
    1904.09751, section 3.1.

    When to use: to see what a model thinks possible, or where one best answer is not wanted. `greedy` and `beam` find
    the probable ones.

    Scores are those of the model itself, before temperature and cuts, the best first. The numbers that are drawn
    depend on the seed alone: equal batches get equal samples.

    Args:
        temperature: below 1 sharpens.
        top_k: keep this many of the most probable symbols; null for all.
        top_p: keep the fewest symbols whose probabilities sum to this much, the most probable first.
        samples: how many to draw for each source.
        seed: of the drawing.
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
        end, batch = model.target_vocabulary.end, len(source)
        generator = torch.Generator(source.device)
        generator.manual_seed(self.seed)
        fixed, state = tree.repeat_rows(model.start(source, source_mask), self.samples)
        ids = torch.full((batch * self.samples,), model.target_vocabulary.start or 0, device=source.device)
        going, score = torch.ones_like(ids, dtype=torch.bool), torch.zeros(len(ids), device=source.device)
        steps: list[tuple[Tensor, Tensor]] = []
        all_weights: list[Tensor] = []
        for step in range(max_length):
            if step:
                state = model.observe(ids, fixed, state)
            logits, weights, state = model.step(ids, fixed, state)
            log_p = logits.log_softmax(-1, torch.promote_types(logits.dtype, torch.float32))
            ids = drawn(self.kept(log_p), generator).masked_fill(~going, 0)
            score = score + log_p.gather(1, ids[:, None]).squeeze(1).masked_fill(~going, 0)
            steps.append((ids, going))
            if weights is not None:
                all_weights.append(weights.masked_fill(~going[:, None, None], 0))
            if end is not None:
                going = going & (ids != end)
                if asks(step, ids.device) and not going.any():
                    break
        written, mask = (torch.stack(side, 1).unflatten(0, (batch, self.samples)) for side in zip(*steps, strict=True))
        score, order = score.unflatten(0, (batch, self.samples)).sort(dim=1, descending=True, stable=True)
        rows = torch.arange(batch, device=order.device)[:, None], order
        looked = torch.stack(all_weights, 2).unflatten(0, (batch, self.samples))[rows] if all_weights else None
        length = steps_written(mask)
        looked = None if looked is None else looked[:, :, :, :length]
        return Hypotheses(written[rows][:, :, :length], mask[rows][:, :, :length], score, looked)

    def kept(self, log_p: Tensor) -> Tensor:
        """The probabilities `[B, V]` to draw with, of the model's log-probabilities."""
        probability = (log_p / self.temperature).softmax(-1)
        falling, order = probability.sort(dim=1, descending=True, stable=True)
        out = falling.cumsum(1) - falling >= self.top_p  # what comes before has it all
        if self.top_k is not None:
            out = out | (torch.arange(out.shape[1], device=out.device) >= self.top_k)
        out[:, 0] = False
        return probability.masked_fill(torch.zeros_like(out).scatter(1, order, out), 0)


def drawn(probability: Tensor, generator: torch.Generator) -> Tensor:
    """One symbol of each row of `probability [B, V]`: `[B]`, the symbols that `torch.multinomial` draws.

    The first of independent exponential waiting times, whose rates are the probabilities. `multinomial` does the same,
    but first reads the sums of the rows, which waits for the device.
    """
    waiting = torch.empty_like(probability).exponential_(1.0, generator=generator)
    return (probability / waiting).argmax(1)
