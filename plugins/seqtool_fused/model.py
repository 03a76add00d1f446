"""Kernels of whole models, which read ids: each symbol's vector is mapped once, not at every position."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from seqtool.api import Encoded, Tree, own_modules, part_name, tree
from seqtool_fused.attend import AttendAfterKernel, AttendBeforeKernel
from seqtool_fused.embedding import EmbeddingLookup, embedding_table, lookup_refusal, table_refusal
from seqtool_fused.encoder import RNN, EncoderKernel, cell_parameters, layers_refusal
from seqtool_fused.gru import GRUKernel
from seqtool_fused.lstm import LSTMKernel
from seqtool_fused.operation import FusedKernel
from seqtool_fused.recurrent import RecurrentKernel, parameters_of, size_refusal

ENCODER = EncoderKernel()
CELLS: dict[str, RecurrentKernel] = {name: kernel for kernel in (LSTMKernel(), GRUKernel()) for name in kernel.parts}
WIDE = {"type": "learned", "embedding_size": 17}


class PlainLoop:
    """The loop of decoder/plain: the steps of its cell."""

    def unsupported(self, part: Any) -> str | None:
        """See `Kernel.unsupported`."""
        if part.repeat:
            return "its decoder reads the encoder's final state at each step"
        cell = own_modules(part)["cell"]
        return None if part_name(cell) in CELLS else f"its cell is {type(cell).__name__}; LSTM and GRU are supported"

    def skipped_modules(self, part: Any) -> Sequence[nn.Module]:
        """See `Kernel.skipped_modules`."""
        return (own_modules(part)["cell"],)

    def tensors(self, part: Any, table: Tensor, fixed: Tree, state: Tree) -> Sequence[Tensor]:
        """See `Kernel.tensors`."""
        return (table, *tree.leaves(state), *parameters_of(own_modules(part)["cell"]))

    def lookup_refusal(self, part: Any, input_size: int) -> str | None:
        """See `_AttentionLoopKernel.lookup_refusal`."""
        return size_refusal(own_modules(part)["cell"], input_size)

    def unroll(
        self, part: Any, x: Tensor, fixed: Tree, state: Tree, lookup: EmbeddingLookup
    ) -> tuple[Tensor, Tensor | None, Tree]:
        """See `_AttentionLoopKernel.unroll`."""
        real = lookup.ids.new_ones(lookup.ids.shape, dtype=torch.bool)
        cell = own_modules(part)["cell"]
        outputs, state = CELLS[part_name(cell)].unroll(cell, lookup.table, real, state, lookup)
        return outputs, None, state


LOOPS: dict[str, Any] = {
    **{name: kernel for kernel in (AttendBeforeKernel(), AttendAfterKernel()) for name in kernel.parts},
    "decoder/decoders:plain": PlainLoop(),
}


class EncodeKernel(FusedKernel):
    """`Seq2Seq.encode` with encoder/rnn and learned or one-hot embeddings, forward and backward.

    Equation:
        x_j = E[symbol_j];  W x_j = (E W^T)[symbol_j]
        The product E W^T has one row per symbol of the vocabulary. It replaces one product per position, W x_j, in the
        first layer. All other equations are those of encoder/rnn.

    Source: encoder/rnn, embedding/learned and embedding/one_hot.

    When to use: chosen by `engine: auto`; faster if the vocabulary is small compared with the number of positions in a
    batch. With few positions, vectors of fewer than 16 columns, or a hook on the embedding or within the encoder, the
    two parts run separately.
    """

    parts = ("model",)
    method = "encode"
    examples = (
        ("model", {"embedding": WIDE, "encoder": {"type": "rnn", "cell": {"type": "lstm", "hidden_size": 11}}}),
        (
            "model",
            {
                "embedding": WIDE,
                "encoder": {"type": "rnn", "cell": {"type": "gru", "hidden_size": 7}, "bidirectional": True},
            },
        ),
    )

    def unsupported(self, part: Any) -> str | None:
        """See `Kernel.unsupported`."""
        encoder = own_modules(part)["encoder"]
        if part_name(encoder) != RNN:
            return f"its encoder is {type(encoder).__name__}; RNNEncoder is supported"
        if encoder.is_residual[0]:
            return "the first layer has a residual connection from the embedded source"
        return ENCODER.unsupported(encoder) or table_refusal(own_modules(part)["source_embedding"])

    def skipped_modules(self, part: Any) -> Sequence[nn.Module]:
        """See `Kernel.skipped_modules`."""
        return (own_modules(part)["source_embedding"], own_modules(part)["encoder"])

    def tensors(self, part: Any, source: Tensor, source_mask: Tensor) -> Sequence[Tensor]:
        """See `Kernel.tensors`."""
        return (embedding_table(own_modules(part)["source_embedding"]), *cell_parameters(own_modules(part)["encoder"]))

    def verify(self, part: Any, source: Tensor, *arguments: Any, **named: Any) -> str | None:
        """See `Kernel.verify`."""
        reason = super().verify(part, source, *arguments, **named)
        if reason:
            return reason
        table = embedding_table(own_modules(part)["source_embedding"])
        return lookup_refusal(table, source) or layers_refusal(own_modules(part)["encoder"], table.shape[1])

    def __call__(self, part: Any, source: Tensor, source_mask: Tensor) -> Encoded:
        """See `Seq2Seq.encode`."""
        lookup = EmbeddingLookup(embedding_table(own_modules(part)["source_embedding"]), source.contiguous())
        return ENCODER.encode(own_modules(part)["encoder"], lookup.table, source_mask, lookup)


class DecodeKernel(FusedKernel):
    """`Seq2Seq.decode` of decoders with a loop in C and learned or one-hot embeddings.

    Equation:
        y_i = E[symbol_i];  W y_i = (E W^T)[symbol_i]
        The product E W^T has one row per symbol of the vocabulary. It replaces one product per step, W y_i, in the
        gates. All other equations are those of the decoder.

    Source: decoder/attend_before, decoder/attend_after, decoder/plain, embedding/learned and embedding/one_hot.

    When to use: chosen by `engine: auto`; see kernel/encode.
    """

    parts = ("model",)
    method = "decode"
    examples = (
        (
            "model",
            {
                "embedding": WIDE,
                "decoder": {"type": "plain", "cell": {"type": "gru", "hidden_size": 7}, "bridge": "linear"},
            },
        ),
        (
            "model",
            {
                "embedding": WIDE,
                "decoder": {
                    "type": "attend_before",
                    "cell": {"type": "lstm", "hidden_size": 11},
                    "attention": {"scorer": "additive"},
                    "features": ("output", "input"),
                },
            },
        ),
        (
            "model",
            {
                "embedding": WIDE,
                "decoder": {
                    "type": "attend_after",
                    "cell": {"type": "gru", "hidden_size": 11},
                    "attention": {"scorer": "general"},
                    "attentional_size": 7,
                    "input_feeding": True,
                },
            },
        ),
    )

    def unsupported(self, part: Any) -> str | None:
        """See `Kernel.unsupported`."""
        decoder = own_modules(part)["decoder"]
        loop = LOOPS.get(part_name(decoder))
        if loop is None:
            return f"its decoder is {type(decoder).__name__}; Plain, AttendBefore and AttendAfter are supported"
        return loop.unsupported(decoder) or table_refusal(own_modules(part)["target_embedding"])

    def skipped_modules(self, part: Any) -> Sequence[nn.Module]:
        """See `Kernel.skipped_modules`."""
        return (own_modules(part)["target_embedding"], *self._loop(part).skipped_modules(own_modules(part)["decoder"]))

    def tensors(self, part: Any, inputs: Tensor, fixed: Tree, state: Tree) -> Sequence[Tensor]:
        """See `Kernel.tensors`."""
        return self._loop(part).tensors(
            own_modules(part)["decoder"], embedding_table(own_modules(part)["target_embedding"]), fixed, state
        )

    def verify(self, part: Any, inputs: Tensor, fixed: Tree, state: Tree) -> str | None:
        """See `Kernel.verify`."""
        if reason := super().verify(part, inputs, fixed, state):
            return reason
        table = embedding_table(own_modules(part)["target_embedding"])
        return lookup_refusal(table, inputs) or self._loop(part).lookup_refusal(
            own_modules(part)["decoder"], table.shape[1]
        )

    def __call__(self, part: Any, inputs: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tensor | None, Tree]:
        """See `Seq2Seq.decode`."""
        lookup = EmbeddingLookup(embedding_table(own_modules(part)["target_embedding"]), inputs.contiguous())
        return self._loop(part).unroll(own_modules(part)["decoder"], lookup.vectors(), fixed, state, lookup)

    def _loop(self, part: Any) -> Any:
        return LOOPS[part_name(own_modules(part)["decoder"])]
