"""Interventions that replace the attention weights of a trained model.

Each moves weight between positions and keeps the sum of a step's weights, which is one except for normalizers such as
`exp`; `HeadOff` alone removes weight.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from seqtool.errors import PartError
from seqtool.parts.intervention import Intervention
from seqtool.parts.tree import Tree


class Gold(Intervention):
    """All weight on the gold position of the target symbol; the model's own weights where there is none.

    Args:
        alignment: gold source positions of a batch, `[B, T]`, -1 for none. source_length: S of that batch.
    """

    def __init__(self, alignment: Tensor, source_length: int) -> None:
        self.alignment, self.source_length = alignment, source_length

    def start(self, mask: Tensor, num_heads: int) -> tuple[Tree, Tree]:
        """Raises PartError: the memory has not one position for each source symbol."""
        if mask.shape[1] != self.source_length:
            raise PartError(
                f"the encoder returns {mask.shape[1]} memory positions for {self.source_length} source symbols, "
                "and the gold alignment refers to source symbols"
            )
        alignment = self.alignment.to(mask.device).repeat_interleave(num_heads, 0)
        return alignment, torch.zeros_like(alignment[:, 0])

    def override(self, weights: Tensor, mask: Tensor, fixed: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        alignment, step = fixed, state
        last = alignment.shape[1] - 1
        position = alignment.gather(1, step.clamp(max=last)[:, None]).squeeze(1)
        has_gold = (position >= 0) & (step <= last)
        gold = one_hot(position.clamp(min=0), weights.shape[1]) * weights.sum(1, keepdim=True)
        return torch.where(has_gold[:, None], gold, weights), step + 1


class Uniform(Intervention):
    """The same weight at every real position."""

    def override(self, weights: Tensor, mask: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        real = mask.to(weights.dtype)
        return real / real.sum(1, keepdim=True).clamp(min=1) * weights.sum(1, keepdim=True), state


class Shuffled(Intervention):
    """The model's own weights at permuted positions: one random permutation per row, the same at all steps."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def start(self, mask: Tensor, num_heads: int) -> tuple[Tree, Tree]:
        draws = torch.rand(mask.shape, generator=torch.Generator("cpu").manual_seed(self.seed))
        draws = draws.to(mask.device).masked_fill(~mask, 2)  # padding stays at the end
        return draws.argsort(dim=1, stable=True), ()

    def override(self, weights: Tensor, mask: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        return weights.gather(1, fixed), state


class DelayedState(NamedTuple):
    """Whether this is the first step, `[R]`, and the weights of the previous steps, `[R, steps, S]`."""

    first: Tensor
    previous: Tensor


class Delayed(Intervention):
    """The model's own weights of `steps` steps ago; before that those of the first step."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def start(self, mask: Tensor, num_heads: int) -> tuple[Tree, Tree]:
        first = torch.ones(len(mask), dtype=torch.bool, device=mask.device)
        return (), DelayedState(first, torch.zeros(len(mask), self.steps, mask.shape[1], device=mask.device))

    def override(self, weights: Tensor, mask: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        first, previous = state
        current = weights[:, None]
        window = torch.cat([torch.where(first[:, None, None], current, previous.to(current.dtype)), current], 1)
        return window[:, 0], DelayedState(torch.zeros_like(first), window[:, 1:])


class TopOne(Intervention):
    """All weight on the position with the largest weight."""

    def override(self, weights: Tensor, mask: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        return one_hot(weights.argmax(1), weights.shape[1]) * weights.sum(1, keepdim=True), state


class HeadOff(Intervention):
    """Zero weights in one head; the other heads are unchanged."""

    def __init__(self, head: int) -> None:
        self.head = head

    def start(self, mask: Tensor, num_heads: int) -> tuple[Tree, Tree]:
        heads = torch.arange(num_heads, device=mask.device).repeat(len(mask) // num_heads)
        return heads, ()

    def override(self, weights: Tensor, mask: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        return weights.masked_fill((fixed == self.head)[:, None], 0), state
