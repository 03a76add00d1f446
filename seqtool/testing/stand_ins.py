"""Small parts that keep every contract, to fill the slots of a part that is held against its own.

They use all that a contract allows (a cell with a fixed tensor, whose output is not its first state; a scorer with a
state), so that an owner which takes anything for granted is found out.
"""

import torch
from torch import Tensor, nn

from seqtool.errors import PartError
from seqtool.nn.attention import Attention
from seqtool.parts.batch import Batch
from seqtool.parts.cell import Cell
from seqtool.parts.decoder import Decoder
from seqtool.parts.embedding import Embedding
from seqtool.parts.encoder import Encoder
from seqtool.parts.loss import Loss
from seqtool.parts.normalizer import Normalizer
from seqtool.parts.readout import Readout
from seqtool.parts.scorer import Scorer
from seqtool.parts.types import Encoded, Tensors
from seqtool.parts.vocabulary import Vocabulary


class StandInCell(Cell):
    """h' = g tanh(W [x; h; r] + b), r' = r / 2 + (the first two of h'). The state is (r, h), g is fixed."""

    output_size = 29
    state_sizes = (2, 29)
    output_index = 1
    num_fixed = 1

    def __init__(self, input_size: int) -> None:
        super().__init__()
        self.map = nn.Linear(input_size + 31, 29)

    def start(self, batch_size: int, like: Tensor) -> tuple[Tensors, Tensors]:
        """See `Cell.start`."""
        _, state = super().start(batch_size, like)
        return (like.new_full((batch_size, 1), 0.9),), state

    def step(self, x: Tensor, fixed: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        """See `Cell.step`."""
        trace, output = state
        output = fixed[0] * torch.tanh(self.map(torch.cat([x, output, trace], 1)))
        return output, (trace / 2 + output[:, :2], output)


class StandInEncoder(Encoder):
    """A cell, forwards."""

    memory_size = StandInCell.output_size
    final_sizes = StandInCell.state_sizes

    def __init__(self, input_size: int) -> None:
        super().__init__()
        self.cell = StandInCell(input_size)

    def forward(self, x: Tensor, mask: Tensor) -> Encoded:
        """See `Encoder.forward`."""
        memory, final = self.cell.unroll(x, mask, *self.cell.start(len(x), x))
        return Encoded(memory, mask, final)


class StandInScorer(Scorer):
    """e_ij = s_i . W h_j - (j - i)^2 / 10; the state counts the steps."""

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.map = nn.Linear(memory_size, query_size, bias=False)

    def start(self, memory: Tensor, mask: Tensor) -> tuple[Tensors, Tensors]:
        """See `Scorer.start`."""
        return (self.map(memory),), (memory.new_zeros(len(memory)),)

    def score(self, query: Tensor, fixed: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        """See `Scorer.score`."""
        (keys,) = fixed
        step = state[0][:, None] + torch.arange(1, query.shape[1] + 1, device=query.device)
        position = torch.arange(keys.shape[1], device=query.device)
        scores = query @ keys.transpose(1, 2) - (position - step[:, :, None]) ** 2 / 10
        return scores, (step[:, -1],)


class StandInNormalizer(Normalizer):
    """a_ij = exp(e_ij) / sum_k exp(e_ik)."""

    def __init__(self, query_size: int) -> None:
        super().__init__()

    def forward(self, scores: Tensor, mask: Tensor, query: Tensor, state: Tensors) -> tuple[Tensor, Tensors]:
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
    """A learnt vector a symbol."""

    output_size = 11

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.vectors = nn.Embedding(len(vocabulary), 11)

    def forward(self, ids: Tensor) -> Tensor:
        """See `Embedding.forward`."""
        vectors: Tensor = self.vectors(ids)
        return vectors


class StandInValueEmbedding(Embedding):
    """Values times a learnt matrix."""

    output_size = 11
    forms = ("values",)

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.map = nn.Linear(vocabulary.num_outputs, 11, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        """See `Embedding.forward`."""
        vectors: Tensor = self.map(ids.to(self.map.weight.dtype))
        return vectors


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
        self.takes_final = final_sizes == self.cell.state_sizes
        self.attention = None
        self.feature_size = self.cell.output_size
        if attention:
            self.attention = Attention(
                self.cell.output_size, memory_size, scorer=StandInScorer, normalizer=StandInNormalizer
            )
            self.num_heads = 1
            self.feature_size += memory_size
        self.readout_layer = StandInReadout(self.feature_size, output_size)

    def start(self, encoded: Encoded) -> tuple[Tensors, Tensors]:
        """See `Decoder.start`."""
        fixed, state = self.cell.start(len(encoded.memory), encoded.memory)
        state = encoded.final if self.takes_final else state
        if self.attention is None:
            return fixed, state
        attention_fixed, attention_state = self.attention.start(encoded.memory, encoded.mask)
        return fixed + attention_fixed, state + attention_state

    def step(self, inputs: Tensor, fixed: Tensors, state: Tensors) -> tuple[Tensor, Tensor | None, Tensors]:
        """See `Decoder.step`."""
        output, cell_state = self.cell.step(inputs, fixed[:1], state[:2])
        if self.attention is None:
            return output, None, cell_state
        context, weights, attention_state = self.attention(output[:, None], fixed[1:], state[2:])
        features = torch.cat([output, context.squeeze(1)], 1)
        return features, weights.squeeze(2), cell_state + attention_state


class StandInLoss(Loss):
    """L = -log p of the gold symbol, and the square of each weight."""

    needs_weights = True

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
