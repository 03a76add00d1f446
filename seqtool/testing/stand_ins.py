"""Small parts that fill the slots of the part under test.

They use everything that a contract allows: a cell with a fixed tensor and a counter, whose output is not the first leaf
of its state; a scorer that counts steps; a decoder that observes. A part that assumes more than the contract fails.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from seqtool.errors import PartError
from seqtool.nn.attention import Attention
from seqtool.nn.bridge import Bridge
from seqtool.parts.batch import Batch
from seqtool.parts.cell import Cell
from seqtool.parts.decoder import Decoder
from seqtool.parts.embedding import Embedding
from seqtool.parts.encoder import Encoder
from seqtool.parts.loss import Loss
from seqtool.parts.normalizer import Normalizer
from seqtool.parts.readout import Readout
from seqtool.parts.scorer import Scorer
from seqtool.parts.tree import Tree
from seqtool.parts.types import Encoded
from seqtool.parts.vocabulary import Vocabulary

FINAL_SIZES = (2, 29)
"""The sizes of the features of a `StandInCell`."""


class StandInState(NamedTuple):
    """A trace r `[B, 2]`, the number of steps `[B]`, and the last output h `[B, 29]`."""

    trace: Tensor
    steps: Tensor
    last: Tensor


class StandInCell(Cell):
    """h' = g tanh(W [x; h; r; n] + b), r' = r / 2 + h'_{1,2}, n = 0.1 in every second step, g fixed."""

    output_size = 29

    def __init__(self, input_size: int) -> None:
        super().__init__()
        self.map = nn.Linear(input_size + 32, 29)

    def start(self, batch_size: int, like: Tensor) -> tuple[Tensor, StandInState]:
        """See `Cell.start`."""
        trace, last = (like.new_zeros(batch_size, size) for size in FINAL_SIZES)
        count = like.new_zeros(batch_size, dtype=torch.int64)
        return like.new_full((batch_size, 1), 0.9), StandInState(trace, count, last)

    def step(self, x: Tensor, fixed: Tensor, state: StandInState) -> tuple[Tensor, StandInState]:
        """See `Cell.step`."""
        trace, count, last = state
        odd = 0.1 * (count % 2).unsqueeze(1).to(x.dtype)
        output = fixed * torch.tanh(self.map(torch.cat([x, last, trace, odd], 1)))
        return output, StandInState(trace / 2 + output[:, :2], count + 1, output)

    def output(self, state: StandInState) -> Tensor:
        """See `Cell.output`."""
        return state.last


class StandInEncoder(Encoder):
    """A forward `StandInCell`."""

    memory_size = StandInCell.output_size
    final_sizes = FINAL_SIZES

    def __init__(self, input_size: int) -> None:
        super().__init__()
        self.cell = StandInCell(input_size)

    def forward(self, x: Tensor, mask: Tensor) -> Encoded:
        """See `Encoder.forward`."""
        memory, state = self.cell.unroll(x, mask, *self.cell.start(len(x), x))
        return Encoded(memory, mask, self.cell.features(state))


class StandInScorer(Scorer):
    """e_ij = s_i . W h_j - (j - i)^2 / 10; the state counts the steps."""

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.map = nn.Linear(memory_size, query_size, bias=False)

    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """See `Scorer.start`."""
        return self.map(memory), memory.new_zeros(len(memory), dtype=torch.int64)

    def score(self, query: Tensor, fixed: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Scorer.score`."""
        step = state[:, None] + torch.arange(1, query.shape[1] + 1, device=query.device)
        position = torch.arange(fixed.shape[1], device=query.device)
        distance = (position - step[:, :, None]).to(query.dtype)
        return query @ fixed.transpose(1, 2) - distance**2 / 10, step[:, -1]


class StandInNormalizer(Normalizer):
    """a_ij = exp(e_ij) / sum_k exp(e_ik)."""

    def __init__(self, query_size: int) -> None:
        super().__init__()

    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        """See `Normalizer.forward`."""
        return scores.softmax(-1), state


class StandInReadout(Readout):
    """logits = W features + b."""

    def __init__(self, feature_size: int, output_size: int) -> None:
        super().__init__()
        self.map = nn.Linear(feature_size, output_size)

    def forward(self, features: Tensor) -> Tensor:
        """See `Readout.forward`."""
        logits: Tensor = self.map(features)
        return logits


class StandInEmbedding(Embedding):
    """One learned vector per symbol."""

    output_size = 11

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.vectors = nn.Embedding(len(vocabulary), 11)

    def forward(self, ids: Tensor) -> Tensor:
        """See `Embedding.forward`."""
        vectors: Tensor = self.vectors(ids)
        return vectors


class StandInContinuousEmbedding(Embedding):
    """Continuous values times a learned matrix."""

    output_size = 11
    requires = frozenset({"continuous"})

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.map = nn.Linear(vocabulary.num_outputs, 11, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        """See `Embedding.forward`."""
        vectors: Tensor = self.map(ids.to(self.map.weight.dtype))
        return vectors


class StandInParts(NamedTuple):
    """The trees of a decoder's cell and attention."""

    cell: Tree
    attention: Tree = ()


class StandInDecoder(Decoder):
    """s_i = cell(y_{i-1}, s_{i-1}); features [s_i; c_i], or s_i alone without attention."""

    def __init__(
        self,
        input_size: int,
        memory_size: int,
        final_sizes: tuple[int, ...],
        output_size: int,
        *,
        attention: bool = True,
    ) -> None:
        super().__init__()
        self.cell = StandInCell(input_size)
        bridge: Literal["copy", "zero"] = "copy" if final_sizes == FINAL_SIZES else "zero"
        self.bridge = Bridge(final_sizes, self.cell, bridge, only_connection=False)
        self.attention = None
        self.feature_size = self.cell.output_size
        if attention:
            self.attention = Attention(
                self.cell.output_size, memory_size, scorer=StandInScorer, normalizer=StandInNormalizer
            )
            self.num_heads = 1
            self.feature_size += memory_size
        self.readout_layer = StandInReadout(self.feature_size, output_size)

    def start(self, encoded: Encoded) -> tuple[StandInParts, StandInParts]:
        """See `Decoder.start`."""
        fixed, state = self.cell.start(len(encoded.memory), encoded.memory)
        state = self.bridge(encoded.final, state)
        if self.attention is None:
            return StandInParts(fixed), StandInParts(state)
        attention_fixed, attention_state = self.attention.start(encoded.memory, encoded.mask)
        return StandInParts(fixed, attention_fixed), StandInParts(state, attention_state)

    def step(
        self, inputs: Tensor, fixed: StandInParts, state: StandInParts
    ) -> tuple[Tensor, Tensor | None, StandInParts]:
        """See `Decoder.step`."""
        output, cell_state = self.cell.step(inputs, fixed.cell, state.cell)
        if self.attention is None:
            return output, None, StandInParts(cell_state)
        context, weights, attention_state = self.attention(output[:, None], fixed.attention, state.attention)
        features = torch.cat([output, context.squeeze(1)], 1)
        return features, weights.squeeze(2), StandInParts(cell_state, attention_state)


class ObservingDecoder(StandInDecoder):
    """A `StandInDecoder` that also multiplies its trace by a sign that depends on the generated symbol."""

    def observe(self, ids: Tensor, fixed: StandInParts, state: StandInParts) -> StandInParts:
        """See `Decoder.observe`."""
        sign = (1 - 2 * ids % 4 if ids.dim() == 1 else ids[:, 0].sign()).to(state.cell.trace.dtype)
        return state._replace(cell=state.cell._replace(trace=state.cell.trace * sign.unsqueeze(1)))


class StandInLoss(Loss):
    """L = -log p of the gold symbol, plus the squares of all weights."""

    requires = frozenset({"symbols", "weights"})

    def __init__(self) -> None:
        super().__init__()

    def forward(self, logits: Tensor, weights: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor]:
        """See `Loss.forward`."""
        if weights is None:
            raise PartError("there are no weights")
        gold = batch.target.unsqueeze(2)
        costs = (weights**2).sum((1, 3)) - logits.log_softmax(2).gather(2, gold).squeeze(2)
        return costs.masked_fill(~batch.target_mask, 0).sum(), batch.target_mask.sum()


STAND_INS: dict[str, type] = {
    part.kind: part
    for part in (
        StandInCell,
        StandInEncoder,
        StandInScorer,
        StandInNormalizer,
        StandInReadout,
        StandInEmbedding,
        StandInDecoder,
        StandInLoss,
    )
}
