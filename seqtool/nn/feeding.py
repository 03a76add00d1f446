"""The decoder's inputs in training: gold symbols (teacher forcing), or partly predictions (scheduled sampling).

Scheduled sampling: Bengio et al. 2015, arXiv 1506.03099.
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
    """The probability that the input of a step is the previous gold symbol instead of the previous prediction.

    `per`: "token" samples for every step independently, "example" once for a whole target.
    """

    probability: float = 1.0
    per: Literal["token", "example"] = "token"


TEACHER_FORCING = Feeding()


def gold_inputs(target: Tensor, start: int) -> Tensor:
    """The inputs of teacher forcing: `target [B, T]` -> `[B, T]`, the start symbol, then gold symbols 1 .. T - 1.

    For continuous targets `[B, T, F]` the first input is a vector filled with `start`.
    """
    return torch.cat([torch.full_like(target[:, :1], start), target[:, :-1]], 1)


def draw_teacher_forced(feeding: Feeding, gold: Tensor) -> Tensor:
    """Sample at which steps the input is gold: `gold [B, T]` or `[B, T, F]` -> bool `[B, T]`.

    Uses torch's global generator of the device.
    """
    if feeding.probability >= 1:
        return torch.ones(gold.shape[:2], dtype=torch.bool, device=gold.device)
    draws = torch.rand(gold.shape[:2] if feeding.per == "token" else (gold.shape[0], 1), device=gold.device)
    return (draws < feeding.probability).expand(gold.shape[:2])


def greedy_prediction(logits: Tensor, vocabulary: Vocabulary) -> Tensor:
    """The most probable ids of `logits [..., V]`; for continuous targets, the values `[..., F]` themselves."""
    return logits if vocabulary.modality == "continuous" else logits.argmax(-1)


def unroll_with_feeding(
    model: StepModel, gold: Tensor, use_gold: Tensor, fixed: Tree, state: Tree
) -> tuple[Tensor, Tensor | None]:
    """Run the decoder step by step: `(logits [B, T, V], weights [B, N, T, S] or None)`.

    The input of step i is `gold[:, i]` where `use_gold[:, i]`, otherwise the prediction of step i - 1, through which no
    gradient flows. The input of the first step is always gold. The decoder observes the inputs of all other steps.
    """
    all_logits: list[Tensor] = []
    all_weights: list[Tensor] = []
    predicted = gold[:, 0]
    for i, (gold_t, use_gold_t) in enumerate(zip(gold.unbind(1), use_gold.unbind(1), strict=True)):
        use_gold_t = use_gold_t.reshape(-1, *[1] * (gold_t.dim() - 1))
        inputs = torch.where(use_gold_t, gold_t, predicted)
        if i:
            state = model.observe(inputs, fixed, state)
        logits, weights, state = model.step(inputs, fixed, state)
        predicted = greedy_prediction(logits.detach(), model.target_vocabulary)
        all_logits.append(logits)
        if weights is not None:
            all_weights.append(weights)
    return torch.stack(all_logits, 1), torch.stack(all_weights, 2) if all_weights else None
