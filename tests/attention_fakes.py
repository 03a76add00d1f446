"""Scorers and normalizers for tests, with previous weights, two energies, or a state."""

import torch
from torch import Tensor, nn

from seqtool.parts.normalizer import Normalizer
from seqtool.parts.scorer import Scorer
from seqtool.parts.tree import Tree


class LocationAware(Scorer):
    """e_ij = s_i . W h_j + g a_{i-1,j}: uses the previous weights, initially uniform over real positions."""

    parallel = False

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.map = nn.Linear(memory_size, query_size, bias=False)
        self.gain = nn.Parameter(torch.tensor(2.0))

    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tree, Tree]:
        real = mask.to(memory.dtype)
        return self.map(memory), real / real.sum(1, keepdim=True).clamp(min=1)

    def score(self, query: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        return query @ fixed.transpose(1, 2) + self.gain * state[:, None], state

    def observe(self, weights: Tensor, state: Tree) -> Tree:
        return weights


class Bilinear(Scorer):
    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.map = nn.Linear(memory_size, query_size, bias=False)

    def score(self, query: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        return query @ self.map(fixed).transpose(1, 2), state


class Window(Scorer):
    """e_ij = -(j - m)^2, where m moves by v . s_i at every step."""

    reads_memory = False

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.speed = nn.Linear(query_size, 1, bias=False)

    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tree, Tree]:
        position = torch.arange(memory.shape[1], dtype=memory.dtype)
        return position.expand(len(memory), -1), memory.new_zeros(len(memory))

    def score(self, query: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        mean = state[:, None] + self.speed(query).squeeze(2).cumsum(1)
        return -((fixed[:, None] - mean[:, :, None]) ** 2), mean[:, -1]


class Gated(Normalizer):
    """Two energies: softmax of the first, gated by the second, plus half of the previous step's weights."""

    parallel = False
    normalized = False
    num_energies = 2

    def __init__(self, query_size: int) -> None:
        super().__init__()

    def start(self, memory: Tensor, mask: Tensor) -> Tree:
        return memory.new_zeros(mask.shape)

    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        first, second = scores.unbind(1)
        weights = first.softmax(-1) * second.sigmoid() + state[:, None] / 2
        weights = weights.masked_fill(~mask[:, None], 0)
        return weights, weights[:, -1]
