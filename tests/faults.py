"""Attention, cells, encoders and decoders with one seeded fault each, which the contract suite must detect."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from seqtool.api import (
    Attention,
    Cell,
    Encoded,
    Tree,
    last_real,
    lengths,
    reverse_real,
)
from seqtool.nn.attention import AttentionFixed, AttentionState
from seqtool_attention.additive import Additive
from seqtool_attention.general import General
from seqtool_attention.gmm import GMM
from seqtool_attention.softmax import Softmax
from seqtool_cells.gru import GRU
from seqtool_decoders.plain import Plain
from seqtool_encoders.rnn import RNNEncoder


class MaskedAfterNormalizing(Attention):
    def _attend(
        self, query: Tensor, fixed: AttentionFixed, state: AttentionState
    ) -> tuple[Tensor, Tensor, AttentionState]:
        values, mask, (keys,), _ = fixed
        scores, after = self.scorers[0].score(query, keys, state.scorers[0])
        weights, _ = self.normalizer(scores, mask, query, ())
        weights = weights.masked_fill(~mask[:, None], 0)
        return weights @ values, weights, state._replace(scorers=(after,))


class KeysOnSelf(General):
    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tree, Tree]:
        self.keys = self.map(memory)
        return (), ()

    def score(self, query: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        return query @ self.keys.transpose(1, 2), state


class KappaTwice(GMM):
    def score(self, query: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        scores, mean = super().score(query, fixed, state)
        delta = self.map(query[:, -1]).chunk(3, -1)[1].clamp(max=15).exp()
        return scores, mean + delta


class KeysOfTheQuery(General):
    def score(self, query: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        return query @ query.transpose(1, 2), state


class KeysMappedTheWrongWay(General):
    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tree, Tree]:
        return memory @ self.map.weight, ()


class DetachedKeys(Additive):
    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tree, Tree]:
        keys, state = super().start(memory, mask)
        return keys.detach(), state


class KeysInAGlobal(General):
    """Works on one sequence at a time."""

    kept: ClassVar[list[Tensor]] = []

    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tree, Tree]:
        self.kept[:] = [self.map(memory)]
        return (), ()

    def score(self, query: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        return query @ self.kept[0].transpose(1, 2), state


class CountsInPlace(General):
    parallel = False

    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tree, Tree]:
        return self.map(memory), torch.zeros(len(memory), dtype=torch.int64, device=memory.device)

    def score(self, query: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        return super().score(query, fixed, ())[0] + state[:, None, None], state.add_(1)


class ScalesItsMemory(General):
    """Writes to the memory, except where autograd would notice."""

    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tree, Tree]:
        if torch.is_grad_enabled():
            return super().start(memory / 2, mask)
        return super().start(memory.div_(2), mask)


class CentredOverSteps(General):
    """Reads later queries from the fourth step on."""

    def score(self, query: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        shift = query.mean(1, keepdim=True) if query.shape[1] > 3 else 0
        return super().score(query - shift, fixed, state)


class SlightlyWrongGradient(General):
    """The gradient with respect to the keys is a part in a thousand too large."""

    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tree, Tree]:
        keys = self.map(memory)
        return 1.001 * keys - 0.001 * keys.detach(), ()


class MaskingScorer(General):
    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tree, Tree]:
        return (self.map(memory), mask), ()

    def score(self, query: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        keys, mask = fixed
        scores, state = super().score(query, keys, state)
        return scores.masked_fill(~mask[:, None], -torch.inf), state


class SumOverLength(General):
    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tree, Tree]:
        return self.map(memory - memory.mean(1, keepdim=True)), ()


class SinglePrecision(General):
    def score(self, query: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        scores, state = super().score(query, fixed, state)
        return scores.float(), state


class ObservesInParallel(General):
    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tree, Tree]:
        return self.map(memory), memory.new_zeros(mask.shape)

    def observe(self, weights: Tensor, state: Tree) -> Tree:
        return state + weights


class SoftmaxOverSteps(Softmax):
    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        return scores.softmax(1), state


class Doubled(Softmax):
    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        weights, state = super().forward(scores, mask, query, state)
        return 2 * weights, state


class SoftmaxOfInfinity(Softmax):
    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        return scores.masked_fill(~mask[:, None], -torch.inf).softmax(-1), state


class Noisy(Softmax):
    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        return nn.functional.dropout(scores, 0.5).softmax(-1), state


class PaddingInState(GRU):
    def unroll(self, x: Tensor, mask: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        outputs, _ = super().unroll(x, mask, fixed, state)
        _, state = super().unroll(x, torch.ones_like(mask), fixed, state)
        return outputs, state


class LengthOneForgotten(GRU):
    def unroll(self, x: Tensor, mask: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        outputs, after = super().unroll(x, mask, fixed, state)
        return outputs, torch.where(lengths(mask)[:, None] > 1, after, state)


class StartsAnew(GRU):
    def unroll(self, x: Tensor, mask: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        return super().unroll(x, mask, *self.start(len(x), x))


class OutputOfAnotherState(Cell):
    def __init__(self, input_size: int) -> None:
        super().__init__()
        self.output_size = 5
        self.cell = nn.LSTMCell(input_size, 5)

    def start(self, batch_size: int, like: Tensor) -> tuple[Tree, Tree]:
        return (), (like.new_zeros(batch_size, 5), like.new_zeros(batch_size, 5))

    def step(self, x: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        h, c = self.cell(x, state)
        return h, (c, h)


class BackwardNotReversed(RNNEncoder):
    def forward(self, x: Tensor, mask: Tensor) -> Encoded:
        forward, final = self._unroll(self.cells[0], x, mask)
        backward, ends = self._unroll(self.cells[1], x, mask)
        joined = tuple(torch.cat(pair, 1) for pair in zip(final, ends, strict=True))
        return Encoded(torch.cat([forward, reverse_real(backward, mask)], 2), mask, joined)


class ReversedWithPadding(RNNEncoder):
    def forward(self, x: Tensor, mask: Tensor) -> Encoded:
        x = x.masked_fill(~mask[:, :, None], 0)
        forward, final = self._unroll(self.cells[0], x, mask)
        backward, ends = self._unroll(self.cells[1], x.flip(1), torch.ones_like(mask))
        memory = torch.cat([forward, backward.flip(1).masked_fill(~mask[:, :, None], 0)], 2)
        return Encoded(memory, mask, tuple(torch.cat(pair, 1) for pair in zip(final, ends, strict=True)))


class FinalOfTheLastColumn(RNNEncoder):
    def forward(self, x: Tensor, mask: Tensor) -> Encoded:
        encoded = super().forward(x, mask)
        return encoded._replace(final=(last_real(encoded.memory, torch.ones_like(mask), encoded.final[0]),))


class ForgetsState(Plain):
    def unroll(self, inputs: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tensor | None, Tree]:
        _, fresh = self.cell.start(len(inputs), inputs)
        return super().unroll(inputs, fixed, fresh)
