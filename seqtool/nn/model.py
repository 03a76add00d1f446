"""The model: embeddings, encoder and decoder, joined. It adds no parameter of its own."""

import torch
from torch import Tensor, nn

from seqtool.parts.batch import Batch
from seqtool.parts.decoder import Decoder
from seqtool.parts.embedding import Embedding
from seqtool.parts.encoder import Encoder
from seqtool.parts.types import Tensors
from seqtool.parts.vocabulary import Vocabulary


class Seq2Seq(nn.Module):
    """Source ids -> logits over target symbols."""

    def __init__(
        self,
        source_embedding: Embedding,
        target_embedding: Embedding,
        encoder: Encoder,
        decoder: Decoder,
        target_vocabulary: Vocabulary,
    ) -> None:
        super().__init__()
        self.source_embedding = source_embedding
        self.target_embedding = target_embedding
        self.encoder = encoder
        self.decoder = decoder
        self.target_vocabulary = target_vocabulary

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Teacher forcing: `(logits [B, T, V], weights [B, N, T, S] or None)`.

        The input of step i is the gold symbol of step i - 1, the start symbol first.
        """
        encoded = self.encoder(self.source_embedding(batch.source), batch.source_mask)
        fixed, state = self.decoder.start(encoded)
        first = torch.full_like(batch.target[:, :1], self._start_id())
        inputs = self.target_embedding(torch.cat([first, batch.target[:, :-1]], 1))
        features, weights, _ = self.decoder.unroll(inputs, fixed, state)
        return self.decoder.readout(features, weights, batch.source), weights

    def start(self, source: Tensor, source_mask: Tensor) -> tuple[Tensors, Tensors]:
        """See `StepModel.start`; the source stands first in `fixed`, since readouts that copy need it."""
        encoded = self.encoder(self.source_embedding(source), source_mask)
        fixed, state = self.decoder.start(encoded)
        return (source, *fixed), state

    def step(self, ids: Tensor, fixed: Tensors, state: Tensors) -> tuple[Tensor, Tensor | None, Tensors]:
        """See `StepModel.step`."""
        source, *rest = fixed
        inputs = self.target_embedding(ids.unsqueeze(1)).squeeze(1)
        features, weights, state = self.decoder.step(inputs, tuple(rest), state)
        all_weights = None if weights is None else weights.unsqueeze(2)
        logits = self.decoder.readout(features.unsqueeze(1), all_weights, source)
        return logits.squeeze(1), weights, state

    def _start_id(self) -> int:
        assert self.target_vocabulary.start is not None, "Task contracts give the target a start symbol"
        return self.target_vocabulary.start
