"""Parts whose state is not a vector: a matrix, a counter, growing caches. They declare nothing about it."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from seqtool.api import Attention, Cell, Decoder, Encoded
from seqtool.testing import STAND_INS


class MatrixState(NamedTuple):
    output: Tensor  # [B, H]
    memory: Tensor  # [B, H, H]


class LinearAttention(Cell):
    """M' = 0.9 M + k v^T;  h' = M'^T q, with q, k, v = tanh(W x + b)."""

    def __init__(self, input_size: int, *, hidden_size: int = 5) -> None:
        super().__init__()
        self.output_size = hidden_size
        self.map = nn.Linear(input_size, 3 * hidden_size)

    def start(self, batch_size: int, like: Tensor) -> tuple[tuple[()], MatrixState]:
        size = self.output_size
        return (), MatrixState(like.new_zeros(batch_size, size), like.new_zeros(batch_size, size, size))

    def step(self, x: Tensor, fixed: tuple[()], state: MatrixState) -> tuple[Tensor, MatrixState]:
        query, key, value = torch.tanh(self.map(x)).chunk(3, 1)
        memory = 0.9 * state.memory + key.unsqueeze(2) * value.unsqueeze(1)
        output = (query.unsqueeze(1) @ memory).squeeze(1)
        return output, MatrixState(output, memory)


class Counting(Cell):
    """h' = tanh(W [x; h] + b) in even steps, its negative in odd ones."""

    def __init__(self, input_size: int, *, hidden_size: int = 5) -> None:
        super().__init__()
        self.output_size = hidden_size
        self.map = nn.Linear(input_size + hidden_size, hidden_size)

    def start(self, batch_size: int, like: Tensor) -> tuple[tuple[()], tuple[Tensor, Tensor]]:
        return (), (like.new_zeros(batch_size, self.output_size), like.new_zeros(batch_size, dtype=torch.int64))

    def step(self, x: Tensor, fixed: tuple[()], state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h, count = state
        sign = (1 - 2 * (count % 2)).unsqueeze(1).to(x.dtype)
        h = sign * torch.tanh(self.map(torch.cat([x, h], 1)))
        return h, (h, count + 1)


class CacheState(NamedTuple):
    output: Tensor  # [B, H]
    cache: Tensor  # [B, t, H]


class Caching(Cell):
    """h' = tanh(W x + b) plus the mean of all W x + b so far, which it caches."""

    def __init__(self, input_size: int, *, hidden_size: int = 5) -> None:
        super().__init__()
        self.output_size = hidden_size
        self.map = nn.Linear(input_size, hidden_size)

    def start(self, batch_size: int, like: Tensor) -> tuple[tuple[()], CacheState]:
        size = self.output_size
        return (), CacheState(like.new_zeros(batch_size, size), like.new_zeros(batch_size, 0, size))

    def step(self, x: Tensor, fixed: tuple[()], state: CacheState) -> tuple[Tensor, CacheState]:
        mapped = self.map(x)
        cache = torch.cat([state.cache, mapped.unsqueeze(1)], 1)
        output = torch.tanh(mapped) + cache.mean(1)
        return output, CacheState(output, cache)

    def features(self, state: CacheState) -> Tensor:
        return state.output


class Past(NamedTuple):
    keys: Tensor  # [B, t, H]
    values: Tensor  # [B, t, H]


class Kept(NamedTuple):
    past: Past
    attention: object


class SelfAttentive(Decoder):
    """Attends to its previous inputs, then to the memory: a transformer layer with a key-value cache."""

    size = 6

    def __init__(self, input_size: int, memory_size: int, final_sizes: tuple[int, ...], output_size: int) -> None:
        super().__init__()
        self.map = nn.Linear(input_size, 3 * self.size)
        parts = {kind: STAND_INS[kind] for kind in ("scorer", "normalizer")}
        self.attention = Attention(self.size, memory_size, **parts)
        self.num_heads, self.feature_size = 1, self.size + memory_size
        self.readout_layer = STAND_INS["readout"](self.feature_size, output_size)

    def start(self, encoded: Encoded) -> tuple[object, Kept]:
        fixed, attention = self.attention.start(encoded.memory, encoded.mask)
        empty = (encoded.memory.new_zeros(len(encoded.memory), 0, self.size) for _ in range(2))
        return fixed, Kept(Past(*empty), attention)

    def step(self, inputs: Tensor, fixed: object, state: Kept) -> tuple[Tensor, Tensor, Kept]:
        query, *new = self.map(inputs).unsqueeze(1).chunk(3, 2)
        past = Past(*(torch.cat([old, one], 1) for old, one in zip(state.past, new, strict=True)))
        own = (query @ past.keys.transpose(1, 2)).softmax(2) @ past.values
        context, weights, attention = self.attention(own, fixed, state.attention)
        features = torch.cat([own, context], 2).squeeze(1)
        return features, weights.squeeze(2), Kept(past, attention)
