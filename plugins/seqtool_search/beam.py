"""Beam search. Sutskever et al. 2014, arXiv 1409.3215; the length penalty: Wu et al. 2016, arXiv 1609.08144."""

from typing import NamedTuple

import torch
from torch import Tensor

from seqtool.api import Hypotheses, NonNegative, PartError, Search, Size, StepModel, tree
from seqtool_search.ending import DROP, asks, places


class Beam(Search):
    """The best hypotheses among those whose every beginning was among the best.

    Equation:
        rank(Y) = log p(Y | x) / lp(|Y|),  lp(n) = ((5 + n) / 6)^length_penalty

    Source: Sutskever et al. 2014, arXiv 1409.3215, section 3.2; lp: Wu et al. 2016, arXiv 1609.08144, eq. 14.

    A hypothesis that writes the end symbol leaves the beam, which is narrower by one from then on, as theirs; a beam of
    one is greedy search. A source is done when no hypothesis that still goes on can come before the `best` finished
    ones: log p only falls, and lp is largest at the last step, so log p so far / lp(max_length) is all it can reach.

    When to use: the model is not sure of the next symbol, and a better one later can make up for it. `length_penalty`
    above 0 when outputs come out too short.

    Args:
        size: how many hypotheses go on side by side.
        length_penalty: 0 ranks by probability; larger favours longer hypotheses.
        best: how many are returned; null for one.

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
        batch, size = len(source), self.size
        fixed, state = tree.repeat_rows(model.start(source, source_mask), size)
        ids = torch.full((batch, size), start or 0, device=source.device)
        scores = torch.full((batch, size), -torch.inf, device=source.device)
        scores[:, 0] = 0  # the others are copies of the first, and none of theirs may be taken twice
        trail: list[Step] = []
        done = Finished.none(scores)
        going, left = torch.arange(batch, device=source.device), done  # the sources in the batch; all that is finished
        for length in range(1, max_length + 1):
            if trail:
                state = model.observe(ids.flatten(), fixed, state)
            logits, weights, state = model.step(ids.flatten(), fixed, state)
            log_p = logits.log_softmax(-1, torch.promote_types(logits.dtype, torch.float32))
            reached = log_p.unflatten(0, (len(going), size)) + scores[:, :, None]
            scores, parents, ids = self._widest(reached, done)
            rows = (parents + size * torch.arange(len(going), device=ids.device)[:, None]).flatten()
            state = tree.select_rows(state, rows)
            looked = None if weights is None else weights.unflatten(0, (len(going), size))
            trail.append(Step(parents, ids, looked).among(batch, going))
            ended = scores.isfinite()
            if length < max_length:
                ended = torch.zeros_like(ended) if end is None else ended & (ids == end)
            done = done.joined_by(scores, self.rank(scores, torch.tensor(length)), ended, length - 1)
            scores = scores.masked_fill(ended, -torch.inf)
            hope = self.rank(scores.amax(1), torch.tensor(max_length))
            scores = scores.masked_fill((done.kth(self.best) >= hope)[:, None], -torch.inf)
            if end is not None and asks(length - 1, scores.device):
                more = scores.isfinite().any(1)
                count = int(more.sum())
                if not count:
                    break
                if count <= DROP * len(going):
                    left, more = left.with_rows(going, done), places(more, count)
                    kept = (more[:, None] * size + torch.arange(size, device=more.device)).flatten()
                    fixed, state = tree.select_rows(fixed, kept), tree.select_rows(state, kept)
                    going, ids, scores, done = going[more], ids[more], scores[more], Finished(*(x[more] for x in done))
        return traced(trail, left.with_rows(going, done), self.best)

    def _widest(self, reached: Tensor, done: "Finished") -> tuple[Tensor, Tensor, Tensor]:
        """The best ways on, `[B, K]` each: score, the hypothesis that they go on from, the symbol written.

        There are as many as hypotheses have not finished; the places behind them hold minus infinity.
        """
        num_symbols = reached.shape[2]
        flat = reached.flatten(1)
        best, index = flat.topk(min(self.size, flat.shape[1]), 1)
        missing = self.size - best.shape[1]
        best = torch.nn.functional.pad(best, (0, missing), value=-torch.inf)
        index = torch.nn.functional.pad(index, (0, missing))
        place = torch.arange(self.size, device=flat.device)
        best = best.masked_fill(place >= self.size - done.count()[:, None], -torch.inf)
        parents = torch.div(index, num_symbols, rounding_mode="floor")
        return best, parents, (index % num_symbols).masked_fill(best.isinf(), 0)


class Step(NamedTuple):
    """What one step of a beam wrote: `parents`, `ids` `[B, K]`, and the weights `[B, K, N, S]` of the parents."""

    parents: Tensor
    ids: Tensor
    weights: Tensor | None

    def among(self, batch: int, rows: Tensor) -> "Step":
        """The same with a row for each source of the batch: these are `rows`, nothing was written of the others."""
        if len(rows) == batch:
            return self
        full = (None if x is None else x.new_zeros(batch, *x.shape[1:]).index_copy(0, rows, x) for x in self)
        return Step(*full)  # type: ignore[arg-type]


class Finished(NamedTuple):
    """Hypotheses that left the beam, the best-ranked first: all `[B, K]`; rank -inf where a place is empty.

    `last` and `place` tell the step and the place in the beam of a hypothesis's last symbol.
    """

    rank: Tensor
    score: Tensor
    last: Tensor
    place: Tensor

    @classmethod
    def none(cls, like: Tensor) -> "Finished":
        """No hypothesis yet."""
        empty, zero = torch.full_like(like, -torch.inf), torch.zeros_like(like, dtype=torch.int64)
        return cls(empty, empty, zero, zero)

    def joined_by(self, scores: Tensor, ranks: Tensor, ended: Tensor, step: int) -> "Finished":
        """With those of a beam that ended; a beam has no more places than are left here."""
        size = scores.shape[1]
        place = torch.arange(size, device=scores.device).expand_as(self.place)
        new = Finished(
            ranks.masked_fill(~ended, -torch.inf), scores.masked_fill(~ended, -torch.inf), place * 0 + step, place
        )
        joined = [torch.cat(pair, 1) for pair in zip(self, new, strict=True)]
        order = joined[0].sort(dim=1, descending=True, stable=True).indices[:, :size]
        return Finished(*(x.gather(1, order) for x in joined))

    def with_rows(self, rows: Tensor, other: "Finished") -> "Finished":
        """With those of `other` at `rows`."""
        return Finished(*(x.to(y.dtype).index_copy(0, rows, y) for x, y in zip(self, other, strict=True)))

    def count(self) -> Tensor:
        """How many there are, `[B]`."""
        return self.rank.isfinite().sum(1)

    def kth(self, k: int) -> Tensor:
        """The rank of the k-th best, `[B]`; -inf where there are fewer."""
        return self.rank[:, k - 1]


def traced(trail: list[Step], done: Finished, best: int) -> Hypotheses:
    """Walk back from the last symbol of each hypothesis."""
    place, last = done.place[:, :best], done.last[:, :best]
    real = done.rank[:, :best].isfinite()
    ids, masks, all_weights = [], [], []
    for step in reversed(range(len(trail))):
        parents, written, weights = trail[step]
        on = real & (step <= last)
        parent = torch.where(on, parents.gather(1, place), place)
        ids.append(written.gather(1, place).masked_fill(~on, 0))
        masks.append(on)
        if weights is not None:
            index = parent[:, :, None, None].expand(-1, -1, *weights.shape[2:])
            all_weights.append(weights.gather(1, index).masked_fill(~on[:, :, None, None], 0))
        place = parent
    longest = int((last + 1).masked_fill(~real, 1).max())
    stacked = [torch.stack(side[::-1], 2)[:, :, :longest] for side in (ids, masks)]
    looked = torch.stack(all_weights[::-1], 3)[:, :, :, :longest] if all_weights else None
    return Hypotheses(*stacked, done.score[:, :best], looked)
