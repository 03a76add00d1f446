"""Parts with one seeded fault each; the contract suite must name it. Kept so that the suite cannot grow dull."""

from typing import Any

import torch
from torch import Tensor, nn

from seqtool.api import (
    Attention,
    Batch,
    Cell,
    Embedding,
    Encoded,
    Hypotheses,
    Schedule,
    SyntheticTask,
    Tensors,
    last_real,
    lengths,
    reverse_real,
)
from seqtool_attention.additive import Additive
from seqtool_attention.general import General
from seqtool_attention.gmm import GMM
from seqtool_attention.softmax import Softmax
from seqtool_cells.gru import GRU
from seqtool_decoders.plain import Plain
from seqtool_encoders.rnn import RNNEncoder
from seqtool_search.greedy import Greedy
from seqtool_tasks.copy import Copy
from seqtool_training.losses import CrossEntropy
from seqtool_training.metrics import TokenAccuracy


class MaskedAfterNormalizing(Attention):
    def _attend(self, query: Tensor, fixed: Tensors, state: Tensors) -> tuple[Tensor, Tensor, Tensors]:
        values, mask, *rest = fixed
        scores, state = self.scorers[0].score(query, tuple(rest), state)
        weights, _ = self.normalizer(scores, mask, query, ())
        weights = weights.masked_fill(~mask[:, None], 0)
        return weights @ values, weights, state


class KeysOnSelf(General):
    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tensors, Tensors]:
        self.keys = self.map(memory)
        return (), ()

    def score(self, query: Tensor, fixed: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        return query @ self.keys.transpose(1, 2), state


class KappaTwice(GMM):
    def score(self, query: Tensor, fixed: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        scores, (mean,) = super().score(query, fixed, state)
        delta = self.map(query[:, -1]).chunk(3, -1)[1].clamp(max=15).exp()
        return scores, (mean + delta,)


class KeysOfTheQuery(General):
    def score(self, query: Tensor, fixed: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        return query @ query.transpose(1, 2), state


class KeysMappedTheWrongWay(General):
    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tensors, Tensors]:
        return (memory @ self.map.weight,), ()


class DetachedKeys(Additive):
    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tensors, Tensors]:
        (keys,), state = super().start(memory, mask)
        return (keys.detach(),), state


class MaskingScorer(General):
    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tensors, Tensors]:
        return (self.map(memory), mask), ()

    def score(self, query: Tensor, fixed: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        scores, state = super().score(query, fixed, state)
        return scores.masked_fill(~fixed[1][:, None], -torch.inf), state


class SumOverLength(General):
    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tensors, Tensors]:
        return (self.map(memory - memory.mean(1, keepdim=True)),), ()


class SinglePrecision(General):
    def score(self, query: Tensor, fixed: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        scores, state = super().score(query, fixed, state)
        return scores.float(), state


class ObservesInParallel(General):
    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tensors, Tensors]:
        return (self.map(memory),), (memory.new_zeros(mask.shape),)

    def observe(self, weights: Tensor, state: Tensors) -> Tensors:
        return (state[0] + weights,)


class SoftmaxOverSteps(Softmax):
    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tensors) -> tuple[Tensor, Tensors]:
        return scores.softmax(1), state


class SoftmaxOfInfinity(Softmax):
    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tensors) -> tuple[Tensor, Tensors]:
        return scores.masked_fill(~mask[:, None], -torch.inf).softmax(-1), state


class Noisy(Softmax):
    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tensors) -> tuple[Tensor, Tensors]:
        return nn.functional.dropout(scores, 0.5).softmax(-1), state


class PaddingInState(GRU):
    def unroll(self, x: Tensor, mask: Tensor, fixed: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        outputs, _ = super().unroll(x, mask, fixed, state)
        _, state = super().unroll(x, torch.ones_like(mask), fixed, state)
        return outputs, state


class LengthOneForgotten(GRU):
    def unroll(self, x: Tensor, mask: Tensor, fixed: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        outputs, after = super().unroll(x, mask, fixed, state)
        return outputs, (torch.where(lengths(mask)[:, None] > 1, after[0], state[0]),)


class StartsAnew(GRU):
    def unroll(self, x: Tensor, mask: Tensor, fixed: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        return super().unroll(x, mask, *self.start(len(x), x))


class OutputOfAnotherState(Cell):
    def __init__(self, input_size: int) -> None:
        super().__init__()
        self.output_size, self.state_sizes = 5, (5, 5)
        self.cell = nn.LSTMCell(input_size, 5)

    def step(self, x: Tensor, fixed: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
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
    def unroll(self, inputs: Tensor, fixed: Tensors, state: Tensors) -> tuple[Tensor, Tensor | None, Tensors]:
        _, fresh = self.cell.start(len(inputs), inputs)
        return super().unroll(inputs, fixed, fresh)


class Centred(nn.Embedding, Embedding):
    output_size = 5

    def __init__(self, vocabulary: Any) -> None:
        super().__init__(len(vocabulary), 5)

    def forward(self, ids: Tensor) -> Tensor:
        vectors = super().forward(ids)
        return vectors - vectors.mean(0, keepdim=True)


class Positional(Centred):
    def forward(self, ids: Tensor) -> Tensor:
        return nn.Embedding.forward(self, ids) + torch.arange(ids.shape[1])[:, None] / 10


class MeanLoss(CrossEntropy):
    def forward(self, logits: Tensor, weights: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor]:
        total, count = super().forward(logits, weights, batch)
        return total / count.clamp(min=1), count


class LossOfPadding(CrossEntropy):
    def forward(self, logits: Tensor, weights: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor]:
        everywhere = torch.ones_like(batch.target_mask)
        total, _ = super().forward(
            logits,
            weights,
            Batch(batch.source, batch.source_mask, batch.target, everywhere, batch.alignment),
        )
        return total, batch.target_mask.sum()


class MeanMetric(TokenAccuracy):
    def sums(self, predicted: Tensor, batch: Batch) -> Tensor:
        right, total = super().sums(predicted, batch)
        return torch.stack([right / total.clamp(min=1), torch.ones_like(total)])


class RunningGenerator(Copy):
    def __init__(self, *, length: int) -> None:
        super().__init__(length=length)
        self.generator = torch.Generator().manual_seed(0)

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        return super().draw(batch_size, self.generator)


class SeededValidation(Copy):
    def batch(self, split: Any, k: int, *, seed: int, rank: int, **options: Any) -> Batch:
        return SyntheticTask.batch(self, split, k + 100 * seed, seed=seed, rank=rank, **options)


class SameForEveryRank(Copy):
    def batch(self, split: Any, k: int, *, seed: int, rank: int, **options: Any) -> Batch:
        return SyntheticTask.batch(self, split, k, seed=seed, rank=0, **options)


class AlignedOffByOne(Copy):
    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        batch = super().draw(batch_size, generator)
        shifted = torch.where(batch.target_mask, batch.alignment + 1, -1)
        return Batch(batch.source, batch.source_mask, batch.target, batch.target_mask, shifted)


class GoesOn(Greedy):
    def search(self, model: Any, source: Tensor, source_mask: Tensor, max_length: int) -> Hypotheses:
        open_model = _Endless(model)
        return super().search(open_model, source, source_mask, max_length)


class _Endless:
    def __init__(self, model: Any) -> None:
        vocabulary = model.target_vocabulary
        self.start, self.step = model.start, model.step
        self.target_vocabulary = type(vocabulary)(vocabulary.symbols, start=vocabulary.start)


class OneTooMany(Greedy):
    def search(self, model: Any, source: Tensor, source_mask: Tensor, max_length: int) -> Hypotheses:
        return super().search(model, source, source_mask, max_length + 1)


class WeightsShifted(Greedy):
    def search(self, model: Any, source: Tensor, source_mask: Tensor, max_length: int) -> Hypotheses:
        found = super().search(model, source, source_mask, max_length)
        return found if found.weights is None else found._replace(weights=found.weights.roll(1, 3))


class Countdown(Schedule):
    def __init__(self, steps: int) -> None:
        self.left = steps

    def factor(self, step: int) -> float:
        self.left -= 1
        return max(0.0, float(self.left))


class Uphill(torch.optim.SGD):
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.neg_()
        super().step(closure)
