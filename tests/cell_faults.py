"""Cells and encoders with one seeded fault each."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqtool.api import Embedding, Encoded, Tree
from seqtool_cells.gru import GRU
from seqtool_cells.lstm import LSTM
from seqtool_cells.min_gru import MinGRU
from seqtool_cells.stack import Stack, StackState
from seqtool_cells.variational_dropout import VariationalDropout
from seqtool_encoders.conv import Conv
from seqtool_encoders.pyramid import Pyramid, pairs
from seqtool_encoders.transformer import Transformer


class GatesBeforeSigmoid(LSTM):
    def gates(self, x: Tensor, fixed: Tree, state: Tree) -> dict[str, Tensor]:
        return {name: gate.logit() for name, gate in super().gates(x, fixed, state).items()}


class OneDtypeAlone(MinGRU):
    def step(self, x: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        _, h = super().step(x, fixed, state)
        h = torch.lerp(F.linear(x, self.weight_ih[: self.output_size]), h, 1.0)
        return h, h


class BatchStatistics(GRU):
    """Adds a mean over the batch to its input, only in training."""

    def unroll(self, x: Tensor, mask: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        return super().unroll(self.shifted(x), mask, fixed, state)

    def step(self, x: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        return super().step(self.shifted(x), fixed, state)

    def shifted(self, x: Tensor) -> Tensor:
        return x + 0.1 * x.tanh().mean(0, keepdim=True) if self.training else x


class RunningMean(nn.Embedding, Embedding):
    """Stores the mean of its vectors in training."""

    output_size = 5

    def __init__(self, vocabulary: Any) -> None:
        super().__init__(len(vocabulary), 5)
        self.register_buffer("mean", torch.zeros(5))

    def forward(self, ids: Tensor) -> Tensor:
        vectors = super().forward(ids)
        if self.training:
            self.mean += vectors.detach().mean((0, 1))
        return vectors


class DropsInUnroll(GRU):
    """Draws one mask in `unroll`, and none in `step`."""

    def unroll(self, x: Tensor, mask: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        return super().unroll(F.dropout(x, 0.5, self.training), mask, fixed, state)


class PaddingInTraining(Conv):
    """Does not mask its input in training."""

    def forward(self, x: Tensor, mask: Tensor) -> Encoded:
        encoded = super().forward(x, mask)
        if not self.training:
            return encoded
        mean = x.masked_fill(~mask[:, :, None], 0).mean(1, keepdim=True)[..., :1]
        return encoded._replace(memory=(encoded.memory + mean).masked_fill(~mask[:, :, None], 0))


class UpdateTheOtherWay(GRU):
    def step_masked(self, x: Tensor, factors: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        output, _ = super().step_masked(x, factors, fixed, state)
        other = state + super().gates(x, fixed, state)["update"] * (output - state)
        return other, other


class ScanOverPadding(MinGRU):
    def unroll(self, x: Tensor, mask: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        outputs, _ = super().unroll(x, mask, fixed, state)
        return outputs, super().unroll(x, torch.ones_like(mask), fixed, state)[1]


class OutputOfTheLowest(Stack):
    def __init__(self, input_size: int) -> None:
        super().__init__(input_size, cell=lambda size: GRU(size, hidden_size=5))

    def output(self, state: StackState) -> Tensor:
        return self.cells[0].output(state.layers[0])


class MasksWhileEvaluating(VariationalDropout):
    def __init__(self, input_size: int) -> None:
        super().__init__(input_size, cell=lambda size: GRU(size, hidden_size=5), input=0.5)

    def start(self, batch_size: int, like: Tensor) -> tuple[Tree, Tree]:
        fixed, state = super().start(batch_size, like)
        return fixed._replace(input_mask=F.dropout(fixed.input_mask, 0.5)), state


class LeakingConv(Conv):
    def forward(self, x: Tensor, mask: Tensor) -> Encoded:
        everywhere = super().forward(x.masked_fill(~mask[:, :, None], 0), torch.ones_like(mask))
        return Encoded(everywhere.memory.masked_fill(~mask[:, :, None], 0), mask, ())


class LooksAtPadding(Transformer):
    def forward(self, x: Tensor, mask: Tensor) -> Encoded:
        everywhere = super().forward(x.masked_fill(~mask[:, :, None], 0), torch.ones_like(mask))
        return Encoded(everywhere.memory.masked_fill(~mask[:, :, None], 0), mask, ())


class DropsTheOddOne(Pyramid):
    def forward(self, x: Tensor, mask: Tensor) -> Encoded:
        below = self.layers[0](x, mask)
        both = F.pad(below.mask, (0, below.mask.shape[1] % 2))[:, 1::2]
        above = self.layers[1](pairs(below.memory), both)
        return above._replace(final=below.final + above.final)
