"""Scorers and normalizers with one seeded fault each. Some violate a contract, the others only an equation."""

import entmax
import torch
from torch import Tensor
from torch.nn import functional as F

from seqtool.api import Tree
from seqtool_attention.concat import Concat
from seqtool_attention.cosine import Cosine
from seqtool_attention.coverage import Coverage
from seqtool_attention.dense import Dense
from seqtool_attention.dynamic_convolution import DynamicConvolution
from seqtool_attention.entmax15 import Entmax15
from seqtool_attention.feed_forward import FeedForward
from seqtool_attention.forward import Forward, ForwardState
from seqtool_attention.gmm import GMM
from seqtool_attention.local_m import LocalM
from seqtool_attention.local_p import LocalP
from seqtool_attention.location import Location
from seqtool_attention.location_aware import LocationAware
from seqtool_attention.mocha import MoChA, chunkwise_weights
from seqtool_attention.monotonic import Monotonic
from seqtool_attention.positions import first_position_weights, shift_right
from seqtool_attention.recurrence import linear_recurrence
from seqtool_attention.stepwise_monotonic import StepwiseMonotonic
from seqtool_attention.window import positions, windowed_softmax

# violations of the contract


class CosineOfNothing(Cosine):
    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tree, Tree]:
        return memory / memory.norm(dim=-1, keepdim=True), ()


class AnyOption(FeedForward):
    def __init__(self, query_size: int, memory_size: int, **options: object) -> None:
        super().__init__(query_size, memory_size)


class QuotientOfProducts(Monotonic):
    """The closed form with a product in the denominator, which is exact only for short sources."""

    def monotonic_weights(self, energies: Tensor, before: Tensor) -> Tensor:
        chance, other = self.selection_probabilities(energies + self.bias)
        passed = shift_right(other).masked_fill(torch.arange(other.shape[1]) == 0, 1).cumprod(1)
        return chance * passed * (before / passed).cumsum(1)


class UniformOverPadding(LocationAware):
    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tree, Tree]:
        fixed, _ = super().start(memory, mask)
        return fixed, memory.new_full(mask.shape, 1 / mask.shape[1])


class AwareInParallel(LocationAware):
    parallel = True


class CoverageOnSelf(Coverage):
    def observe(self, weights: Tensor, state: Tree) -> Tree:
        self.seen = weights
        return super().observe(weights, state)


class DenseOfTheQuery(Dense):
    reads_query = True


class FeedForwardAgain(FeedForward):
    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tree, Tree]:
        return super().start(memory - memory.mean(0, keepdim=True), mask)


class StepsForgotten(LocalM):
    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        weights, _ = super().forward(scores, mask, query, state)
        return weights, state + 1


class PaddedLength(LocalP):
    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        centre = mask.shape[1] * torch.sigmoid(self.vector(torch.tanh(self.map(query))))
        distance = (positions(scores.shape[2], scores) - centre) / (self.half_width / 2)
        return windowed_softmax(scores, centre, self.half_width) * torch.exp(-distance * distance / 2), state


class LeavesTheEnd(StepwiseMonotonic):
    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        stay, move = self.selection_probabilities(scores.squeeze(1))
        weights = state * stay + shift_right(state * move)
        return weights.unsqueeze(1), weights


class ForwardUnclamped(Forward):
    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        weights = (state.weights + shift_right(state.weights)) * scores.squeeze(1).softmax(-1)
        weights = weights / weights.sum(1, keepdim=True)
        return weights.unsqueeze(1), ForwardState(weights)


class NoiseAtInference(Monotonic):
    def selection_probabilities(self, energies: Tensor) -> tuple[Tensor, Tensor]:
        return super().selection_probabilities(energies + torch.randn_like(energies))


class MonotonicSumsToOne(Monotonic):
    normalized = True


class TwoEnergiesAsOne(MoChA):
    num_energies = 1


# violations of an equation only


class WindowTooNarrow(LocalM):
    def __init__(self, query_size: int, *, half_width: int = 2) -> None:
        super().__init__(query_size, half_width=half_width)
        self.narrow = half_width - 1

    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        step = state[:, None] + positions(scores.shape[1], state)
        centre = torch.minimum(step, mask.sum(1)[:, None]).unsqueeze(2)
        return windowed_softmax(scores, centre, self.narrow), step[:, -1]


class WindowOneBehind(LocalM):
    def start(self, memory: Tensor, mask: Tensor) -> Tree:
        return memory.new_full((len(memory),), -1, dtype=torch.int64)


class NormalizedAgain(LocalP):
    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        weights, state = super().forward(scores, mask, query, state)
        return weights / weights.sum(-1, keepdim=True).clamp(min=1e-30), state


class InclusiveProduct(Monotonic):
    def monotonic_weights(self, energies: Tensor, before: Tensor) -> Tensor:
        chance, other = self.selection_probabilities(energies + self.bias)
        return chance * linear_recurrence(other, before)


class ClampedProducts(Monotonic):
    """The form in textbooks: a_i = p cumprod(1 - p) cumsum(a_{i-1} / clamp(cumprod(1 - p)))."""

    def monotonic_weights(self, energies: Tensor, before: Tensor) -> Tensor:
        chance, other = self.selection_probabilities(energies + self.bias)
        passed = torch.nn.functional.pad(other[:, :-1], (1, 0), value=1.0).cumprod(-1)
        return chance * passed * (before / passed.clamp(1e-10, 1)).cumsum(-1)


class ChoosesFromTheStart(Monotonic):
    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        return super().forward(scores, mask, query, first_position_weights(query, mask))


class RecursOnChunks(MoChA):
    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        weights, _ = super().forward(scores, mask, query, state)
        return weights, weights.squeeze(1)


class ChunkAhead(MoChA):
    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        energies, chunk_energies = scores.squeeze(2).unbind(1)
        a = self.monotonic_weights(energies, state)
        return chunkwise_weights(a.flip(1), chunk_energies.flip(1), self.width).flip(1).unsqueeze(1), a


class MovesByItsOwnChance(StepwiseMonotonic):
    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        stay, move = self.selection_probabilities(scores.squeeze(1))
        weights = state * stay + shift_right(state) * move
        return weights.unsqueeze(1), weights


class ForwardFromEverywhere(Forward):
    def start(self, memory: Tensor, mask: Tensor) -> Tree:
        real = mask.to(memory.dtype)
        return ForwardState(real / real.sum(1, keepdim=True).clamp(min=1))


class EntmaxOfOne(Entmax15):
    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        return entmax.sparsemax(scores.clamp(min=-1e4), -1), state


class MuTwice(GMM):
    def score(self, query: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        _, moved_once = super().score(query, fixed, state)
        return super().score(query, fixed, moved_once)


class DensityWithoutZ(GMM):
    def _mixture(self, *said: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        _, delta, beta = super()._mixture(*said)
        return said[0].log_softmax(-1), delta, beta


class FiltersOneBehind(LocationAware):
    def score(self, query: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        scores, _ = super().score(query, fixed, shift_right(state))
        return scores, state


class CoverageOfTheLastStep(Coverage):
    def observe(self, weights: Tensor, state: Tree) -> Tree:
        return weights


class PriorTheWrongWay(DynamicConvolution):
    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tree, Tree]:
        prior, state = super().start(memory, mask)
        return prior.flip(1), state


class ConcatTheWrongWayRound(Concat):
    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tree, Tree]:
        return F.linear(memory, self.map.weight[:, : memory.shape[2]]), ()

    def score(self, query: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        mapped = F.linear(query, self.map.weight[:, -query.shape[2] :])
        return self.vector(torch.tanh(mapped.unsqueeze(2) + fixed.unsqueeze(1))).squeeze(3), state


class LocationShifted(Location):
    def score(self, query: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        return self.map(query)[:, :, 1 : fixed.shape[1] + 1], state
