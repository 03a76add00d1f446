"""Ways to force where a trained model looks.

Where it looks is forced, not how much: the weights of a step sum to what the model's own did (to one, but for
normalizers such as `exp`).
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from seqtool.errors import PartError
from seqtool.parts.intervention import Intervention
from seqtool.parts.tree import Tree


class Gold(Intervention):
    """All weight on the place that the task says the symbol comes from; the model's own where it names none.

    Args:
        alignment: a batch's, `[B, T]`. source_length: S of that batch.
    """

    def __init__(self, alignment: Tensor, source_length: int) -> None:
        self.alignment, self.source_length = alignment, source_length

    def start(self, mask: Tensor, num_heads: int) -> tuple[Tree, Tree]:
        """Raises PartError: the memory has not a place for each source symbol."""
        if mask.shape[1] != self.source_length:
            raise PartError(
                f"the encoder makes {mask.shape[1]} places of {self.source_length} source symbols, "
                "and the gold alignment names symbols"
            )
        alignment = self.alignment.to(mask.device).repeat_interleave(num_heads, 0)
        return alignment, torch.zeros_like(alignment[:, 0])

    def override(self, weights: Tensor, mask: Tensor, fixed: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        alignment, step = fixed, state
        last = alignment.shape[1] - 1
        place = alignment.gather(1, step.clamp(max=last)[:, None]).squeeze(1)
        named = (place >= 0) & (step <= last)
        forced = one_hot(place.clamp(min=0), weights.shape[1]) * weights.sum(1, keepdim=True)
        return torch.where(named[:, None], forced, weights), step + 1


class Uniform(Intervention):
    """The same weight on every real place."""

    def override(self, weights: Tensor, mask: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        real = mask.to(weights.dtype)
        return real / real.sum(1, keepdim=True).clamp(min=1) * weights.sum(1, keepdim=True), state


class Shuffled(Intervention):
    """The model's own weights on other places: one order of the real places a row, drawn once, kept for all steps."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def start(self, mask: Tensor, num_heads: int) -> tuple[Tree, Tree]:
        draws = torch.rand(mask.shape, generator=torch.Generator("cpu").manual_seed(self.seed))
        draws = draws.to(mask.device).masked_fill(~mask, 2)  # padding stays behind
        return draws.argsort(dim=1, stable=True), ()

    def override(self, weights: Tensor, mask: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        return weights.gather(1, fixed), state


class DelayedState(NamedTuple):
    """Whether no step was taken yet, `[R]`, and the weights of the last steps, `[R, steps, S]`."""

    opening: Tensor
    earlier: Tensor


class Delayed(Intervention):
    """The model's own weights of `steps` steps ago; those of the first step until there are any."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def start(self, mask: Tensor, num_heads: int) -> tuple[Tree, Tree]:
        opening = torch.ones(len(mask), dtype=torch.bool, device=mask.device)
        return (), DelayedState(opening, torch.zeros(len(mask), self.steps, mask.shape[1], device=mask.device))

    def override(self, weights: Tensor, mask: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        opening, earlier = state
        now = weights[:, None]
        kept = torch.cat([torch.where(opening[:, None, None], now, earlier.to(now.dtype)), now], 1)
        return kept[:, 0], DelayedState(torch.zeros_like(opening), kept[:, 1:])


class TopOne(Intervention):
    """All weight on the place that the model gives most to."""

    def override(self, weights: Tensor, mask: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        return one_hot(weights.argmax(1), weights.shape[1]) * weights.sum(1, keepdim=True), state


class HeadOff(Intervention):
    """One head gives nothing to the context; the others look as they do."""

    def __init__(self, head: int) -> None:
        self.head = head

    def start(self, mask: Tensor, num_heads: int) -> tuple[Tree, Tree]:
        heads = torch.arange(num_heads, device=mask.device).repeat(len(mask) // num_heads)
        return heads, ()

    def override(self, weights: Tensor, mask: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        return weights.masked_fill((fixed == self.head)[:, None], 0), state
