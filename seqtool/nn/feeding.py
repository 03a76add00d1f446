"""What is fed while a target is written: gold symbols (teacher forcing), or now and then the model's own.

Bengio et al. 2015 (scheduled sampling), arXiv 1506.03099.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from seqtool.parts.search import StepModel
from seqtool.parts.tree import Tree
from seqtool.parts.vocabulary import Vocabulary


@dataclass(frozen=True)
class Feeding:
    """How probable it is that a step is fed the gold symbol of the step before, and not the model's best guess.

    `per`: "token", every step is drawn by itself; "example", a whole target is fed one or the other.
    """

    probability: float = 1.0
    per: Literal["token", "example"] = "token"


TEACHER_FORCING = Feeding()


def gold_inputs(target: Tensor, start: int) -> Tensor:
    """`target [B, T]` -> what teacher forcing feeds `[B, T]`: the start symbol, then gold symbols 1 .. T - 1.

    Values `[B, T, F]` are opened by a vector of `start`.
    """
    return torch.cat([torch.full_like(target[:, :1], start), target[:, :-1]], 1)


def draw_teacher_forced(feeding: Feeding, gold: Tensor) -> Tensor:
    """Where gold is fed, bool `[B, T]`, for `gold [B, T]` or `[B, T, F]`: drawn by torch's generator of its device."""
    if feeding.probability >= 1:
        return torch.ones(gold.shape[:2], dtype=torch.bool, device=gold.device)
    draws = torch.rand(gold.shape[:2] if feeding.per == "token" else (gold.shape[0], 1), device=gold.device)
    return (draws < feeding.probability).expand(gold.shape[:2])


def greedy_prediction(logits: Tensor, vocabulary: Vocabulary) -> Tensor:
    """What a model would write: the most probable ids of `logits [..., V]`, or the values `[..., F]` themselves."""
    return logits if vocabulary.modality == "continuous" else logits.argmax(-1)


def unroll_with_feeding(
    model: StepModel, gold: Tensor, taught: Tensor, fixed: Tree, state: Tree
) -> tuple[Tensor, Tensor | None]:
    """One step after another: `(logits [B, T, V], weights [B, N, T, S] or None)`.

    Step i is fed `gold[:, i]` where `taught[:, i]`, else what step i - 1 would have written, through which no gradient
    flows. The first step is fed gold in any case. The decoder observes what each step but the first is fed.
    """
    all_logits: list[Tensor] = []
    all_weights: list[Tensor] = []
    written = gold[:, 0]
    for i, (gold_t, taught_t) in enumerate(zip(gold.unbind(1), taught.unbind(1), strict=True)):
        taught_t = taught_t.reshape(-1, *[1] * (gold_t.dim() - 1))
        fed = torch.where(taught_t, gold_t, written)
        if i:
            state = model.observe(fed, fixed, state)
        logits, weights, state = model.step(fed, fixed, state)
        written = greedy_prediction(logits.detach(), model.target_vocabulary)
        all_logits.append(logits)
        if weights is not None:
            all_weights.append(weights)
    return torch.stack(all_logits, 1), torch.stack(all_weights, 2) if all_weights else None
