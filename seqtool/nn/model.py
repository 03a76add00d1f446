"""The model: embeddings, encoder and decoder. It has no other parameters."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from seqtool.nn.feeding import TEACHER_FORCING, Feeding, draw_teacher_forced, gold_inputs, unroll_with_feeding
from seqtool.parts.batch import Batch
from seqtool.parts.decoder import Decoder
from seqtool.parts.embedding import Embedding
from seqtool.parts.encoder import Encoder
from seqtool.parts.kernel import NO_KERNELS, Kernels, accelerated
from seqtool.parts.tree import Tree
from seqtool.parts.types import Encoded
from seqtool.parts.vocabulary import Continuous, Vocabulary


class ModelFixed(NamedTuple):
    """`source [B, S]`: the target id of each source position, for readouts that copy. `decoder`: the decoder's tree."""

    source: Tensor
    decoder: Tree


class Seq2Seq(nn.Module):
    """Source ids -> logits over target symbols; for continuous sides, vectors -> predicted values.

    Args:
        copy_map: `Task.copy_map`.
    """

    kernels: Kernels = NO_KERNELS
    copy_map: Tensor | None

    def __init__(
        self,
        source_embedding: Embedding,
        target_embedding: Embedding,
        encoder: Encoder,
        decoder: Decoder,
        target_vocabulary: Vocabulary,
        copy_map: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        self.source_embedding = source_embedding
        self.target_embedding = target_embedding
        self.encoder = encoder
        self.decoder = decoder
        self.target_vocabulary = target_vocabulary
        copied = None if copy_map is None else torch.tensor(copy_map)
        self.register_buffer("copy_map", copied, persistent=False)

    def forward(self, batch: Batch, feeding: Feeding = TEACHER_FORCING) -> tuple[Tensor, Tensor | None]:
        """`(logits [B, T, V], weights [B, N, T, S] or None)` for the targets of a batch.

        With teacher forcing, the input of step i is the gold symbol of step i - 1, and all steps are passed to the
        decoder together. With a teacher-forcing probability below 1, and for a decoder that observes symbols, the
        decoder runs step by step (see `nn.feeding`).
        """
        fixed, state = self.start(batch.source, batch.source_mask)
        gold = gold_inputs(batch.target, self._start())
        if feeding.probability < 1 or self.decoder.observes:
            return unroll_with_feeding(self, gold, draw_teacher_forced(feeding, gold), fixed, state)
        features, weights, _ = self.decode(gold, fixed.decoder, state)
        return self.decoder.readout(features, weights, fixed.source), weights

    def start(self, source: Tensor, source_mask: Tensor) -> tuple[ModelFixed, Tree]:
        """See `StepModel.start`; the state is the decoder's."""
        fixed, state = self.decoder.start(self.encode(source, source_mask))
        return ModelFixed(self._copied(source), fixed), state

    @accelerated
    def encode(self, source: Tensor, source_mask: Tensor) -> Encoded:
        """Embed and encode `source [B, S]`, or continuous values `[B, S, F]`, with `source_mask [B, S]`."""
        encoded: Encoded = self.encoder(self.source_embedding(source), source_mask)
        return encoded

    @accelerated
    def decode(self, inputs: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tensor | None, Tree]:
        """Embed the ids `inputs [B, T]`, or values `[B, T, F]`, and call `Decoder.unroll`."""
        return self.decoder.unroll(self.target_embedding(inputs), fixed, state)

    def step(self, ids: Tensor, fixed: ModelFixed, state: Tree) -> tuple[Tensor, Tensor | None, Tree]:
        """See `StepModel.step`."""
        inputs = self.target_embedding(ids.unsqueeze(1)).squeeze(1)
        features, weights, state = self.decoder.step(inputs, fixed.decoder, state)
        all_weights = None if weights is None else weights.unsqueeze(2)
        logits = self.decoder.readout(features.unsqueeze(1), all_weights, fixed.source)
        return logits.squeeze(1), weights, state

    def observe(self, ids: Tensor, fixed: ModelFixed, state: Tree) -> Tree:
        """See `StepModel.observe`."""
        return self.decoder.observe(ids, fixed.decoder, state)

    def _copied(self, source: Tensor) -> Tensor:
        """The target id that each source position is copied as, `[B, S]`, -1 for none."""
        if self.copy_map is None or "copy_map" not in self.decoder.requires:
            return torch.full((1, 1), -1, device=source.device).expand(source.shape[:2])
        return self.copy_map[source]

    def _start(self) -> int:
        if isinstance(self.target_vocabulary, Continuous):
            return 0
        assert self.target_vocabulary.start is not None, "the contract of a task requires a start symbol"
        return self.target_vocabulary.start
