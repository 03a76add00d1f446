"""Tasks with continuous sources or targets, as a plugin: `continuous_tasks`."""

from collections.abc import Iterable
from typing import Any

import torch

from seqtool.api import Batch, Component, Continuous, SyntheticTask, Vocabulary, hookimpl


class Halves(SyntheticTask):
    """Sources of 3 to 6 pairs of numbers; the target is half of each of the first three, or two in one row."""

    has_alignment = True
    max_target_length = 3

    def __init__(self) -> None:
        self.source_vocabulary = self.target_vocabulary = Continuous(size=2)

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        source = torch.rand(batch_size, 6, 2, generator=generator, device=generator.device)
        length = torch.randint(2, 7, (batch_size, 1), generator=generator, device=generator.device)
        place = torch.arange(6, device=generator.device)
        mask = place < length
        source = source.masked_fill(~mask[:, :, None], 0)
        alignment = place[:3].expand(batch_size, -1).masked_fill(~mask[:, :3], -1)
        return Batch(source, mask, source[:, :3] / 2, mask[:, :3], alignment)


class Signs(Halves):
    """The same numbers minus a half; the target symbols state whether the first number of each pair is positive."""

    def __init__(self) -> None:
        super().__init__()
        self.target_vocabulary: Any = Vocabulary(("-", "+", "<s>"), start=2)

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        drawn = super().draw(batch_size, generator)
        source = (drawn.source - 0.5).masked_fill(~drawn.source_mask[:, :, None], 0)
        target = (source[:, :3, 0] > 0).long().masked_fill(~drawn.target_mask, 0)
        return Batch(source, drawn.source_mask, target, drawn.target_mask, drawn.alignment)


@hookimpl
def seqtool_components() -> Iterable[Component]:
    yield Component("task", "halves", Halves)
    yield Component("task", "signs", Signs)
