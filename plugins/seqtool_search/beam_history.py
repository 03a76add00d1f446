"""The history of a beam: its steps, its finished hypotheses, and how hypotheses are read back from them."""

from typing import NamedTuple

import torch
from torch import Tensor

from seqtool.api import Hypotheses


class BeamStep(NamedTuple):
    """One step of a beam: `parents`, `ids` `[B, K]`, and the weights `[B, K, N, S]` of the parents."""

    parents: Tensor
    ids: Tensor
    weights: Tensor | None

    def expand(self, batch_size: int, rows: Tensor) -> "BeamStep":
        """The step with a row for each source of the batch: this step's at `rows`, zeros elsewhere."""
        if len(rows) == batch_size:
            return self
        full = (None if x is None else x.new_zeros(batch_size, *x.shape[1:]).index_copy(0, rows, x) for x in self)
        return BeamStep(*full)  # type: ignore[arg-type]


class Finished(NamedTuple):
    """Finished hypotheses, best rank first: all fields `[B, K]`; the rank of an unused entry is -inf.

    `last_step` and `place` are the step of a hypothesis's last symbol and its index in the beam at that step.
    """

    rank: Tensor
    score: Tensor
    last_step: Tensor
    place: Tensor

    @classmethod
    def none(cls, like: Tensor) -> "Finished":
        """Without hypotheses; `like [B, K]`."""
        empty, zero = torch.full_like(like, -torch.inf), torch.zeros_like(like, dtype=torch.int64)
        return cls(empty, empty, zero, zero)

    def merge(self, scores: Tensor, ranks: Tensor, ended: Tensor, step: int) -> "Finished":
        """With the hypotheses of the beam at `step` where `ended`; the K best of both are kept."""
        size = scores.shape[1]
        place = torch.arange(size, device=scores.device).expand_as(self.place)
        new = Finished(
            ranks.masked_fill(~ended, -torch.inf), scores.masked_fill(~ended, -torch.inf), place * 0 + step, place
        )
        merged = [torch.cat(pair, 1) for pair in zip(self, new, strict=True)]
        order = merged[0].sort(dim=1, descending=True, stable=True).indices[:, :size]
        return Finished(*(x.gather(1, order) for x in merged))

    def with_rows(self, rows: Tensor, other: "Finished") -> "Finished":
        """With `rows` replaced by those of `other`."""
        return Finished(*(x.to(y.dtype).index_copy(0, rows, y) for x, y in zip(self, other, strict=True)))

    def count(self) -> Tensor:
        """The number of hypotheses, `[B]`."""
        return self.rank.isfinite().sum(1)

    def kth_rank(self, k: int) -> Tensor:
        """The rank of the k-th best, `[B]`; -inf if there are fewer."""
        return self.rank[:, k - 1]


def backtrack(steps: list[BeamStep], finished: Finished, num_best: int) -> Hypotheses:
    """The `num_best` finished hypotheses, each followed from its last symbol to its first."""
    place, last_step = finished.place[:, :num_best], finished.last_step[:, :num_best]
    exists = finished.rank[:, :num_best].isfinite()
    ids, masks, all_weights = [], [], []
    for step in reversed(range(len(steps))):
        parents, step_ids, weights = steps[step]
        real = exists & (step <= last_step)
        parent = torch.where(real, parents.gather(1, place), place)
        ids.append(step_ids.gather(1, place).masked_fill(~real, 0))
        masks.append(real)
        if weights is not None:
            index = parent[:, :, None, None].expand(-1, -1, *weights.shape[2:])
            all_weights.append(weights.gather(1, index).masked_fill(~real[:, :, None, None], 0))
        place = parent
    length = int((last_step + 1).masked_fill(~exists, 1).max())
    stacked_ids, mask = (torch.stack(side[::-1], 2)[:, :, :length] for side in (ids, masks))
    stacked_weights = torch.stack(all_weights[::-1], 3)[:, :, :, :length] if all_weights else None
    return Hypotheses(stacked_ids, mask, finished.score[:, :num_best], stacked_weights)
