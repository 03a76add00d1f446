"""Methods of whole models that are given ids: the embedded symbols are mapped once each, not at every position."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from seqtool.api import Encoded, Tree, own_modules, part_name, tree
from seqtool_fused.attend import AttendAfterKernel, AttendBeforeKernel
from seqtool_fused.calling import FusedKernel
from seqtool_fused.embedding import LookedUp, lookup_refusal, table_of, table_refusal
from seqtool_fused.encoder import RNN, EncoderKernel, layers_misfit, weights_of
from seqtool_fused.gru import GRUKernel
from seqtool_fused.lstm import LSTMKernel
from seqtool_fused.recurrent import RecurrentKernel, misfit, parameters_of

ENCODER = EncoderKernel()
CELLS: dict[str, RecurrentKernel] = {name: kernel for kernel in (LSTMKernel(), GRUKernel()) for name in kernel.parts}
WIDE = {"type": "learned", "embedding_size": 17}


class PlainLoop:
    """The loop of the decoder plain: that of its cell."""

    def unsupported(self, part: Any) -> str | None:
        """See `Kernel.unsupported`."""
        if part.repeat:
            return "its decoder is fed the encoder's final state at each step"
        cell = own_modules(part)["cell"]
        return None if part_name(cell) in CELLS else f"its cell is {type(cell).__name__}; known are LSTM and GRU"

    def skipped_modules(self, part: Any) -> Sequence[nn.Module]:
        """See `Kernel.skipped_modules`."""
        return (own_modules(part)["cell"],)

    def tensors(self, part: Any, table: Tensor, fixed: Tree, state: Tree) -> Sequence[Tensor]:
        """See `Kernel.tensors`."""
        return (table, *tree.leaves(state), *parameters_of(own_modules(part)["cell"]))

    def lookup_refusal(self, part: Any, input_size: int) -> str | None:
        """See `_AttendKernel.lookup_refusal`."""
        return misfit(own_modules(part)["cell"], input_size)

    def unroll(
        self, part: Any, x: Tensor, fixed: Tree, state: Tree, found: LookedUp
    ) -> tuple[Tensor, Tensor | None, Tree]:
        """See `_AttendKernel.unroll`."""
        real = found.ids.new_ones(found.ids.shape, dtype=torch.bool)
        cell = own_modules(part)["cell"]
        outputs, state = CELLS[part_name(cell)].unroll(cell, found.table, real, state, found)
        return outputs, None, state


LOOPS: dict[str, Any] = {
    **{name: kernel for kernel in (AttendBeforeKernel(), AttendAfterKernel()) for name in kernel.parts},
    "decoder/decoders:plain": PlainLoop(),
}


class EncodeKernel(FusedKernel):
    """`Seq2Seq.encode` of an encoder rnn that reads learned or one-hot symbols, forward and backward.

    Equation:
        as embedding and encoder; W E[symbol] of the first layer is one product per symbol of the alphabet, not one per
        position, and so is its gradient

    Source: its parts', encoder/rnn, embedding/learned and embedding/one_hot.

    When to use: chosen by `engine: auto`. An alphabet is small beside a batch. With few positions, with vectors of
    fewer than 16 columns, or with a hook on the embedding or within the encoder, both parts are called instead.
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
            return f"its encoder is {type(encoder).__name__}; known is RNNEncoder"
        if encoder.added[0]:
            return "the embedded source itself is added to the outputs of the first layer"
        return ENCODER.unsupported(encoder) or table_refusal(own_modules(part)["source_embedding"])

    def skipped_modules(self, part: Any) -> Sequence[nn.Module]:
        """See `Kernel.skipped_modules`."""
        return (own_modules(part)["source_embedding"], own_modules(part)["encoder"])

    def tensors(self, part: Any, source: Tensor, source_mask: Tensor) -> Sequence[Tensor]:
        """See `Kernel.tensors`."""
        return (table_of(own_modules(part)["source_embedding"]), *weights_of(own_modules(part)["encoder"]))

    def verify(self, part: Any, source: Tensor, *arguments: Any, **named: Any) -> str | None:
        """See `Kernel.verify`."""
        reason = super().verify(part, source, *arguments, **named)
        if reason:
            return reason
        table = table_of(own_modules(part)["source_embedding"])
        return lookup_refusal(table, source) or layers_misfit(own_modules(part)["encoder"], table.shape[1])

    def __call__(self, part: Any, source: Tensor, source_mask: Tensor) -> Encoded:
        """See `Seq2Seq.encode`."""
        found = LookedUp(table_of(own_modules(part)["source_embedding"]), source.contiguous())
        return ENCODER.encode(own_modules(part)["encoder"], found.table, source_mask, found)


class DecodeKernel(FusedKernel):
    """`Seq2Seq.decode` of decoders whose loop is in C and whose inputs are learned or one-hot symbols.

    Equation:
        as embedding and decoder; what a symbol adds to the gates is one product per symbol of the alphabet, not one per
        step, and so is its gradient

    Source: its parts', decoder/attend_before, decoder/attend_after, decoder/plain and those of embeddings.

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
            return f"its decoder is {type(decoder).__name__}; known are Plain, AttendBefore and AttendAfter"
        return loop.unsupported(decoder) or table_refusal(own_modules(part)["target_embedding"])

    def skipped_modules(self, part: Any) -> Sequence[nn.Module]:
        """See `Kernel.skipped_modules`."""
        return (own_modules(part)["target_embedding"], *self._loop(part).skipped_modules(own_modules(part)["decoder"]))

    def tensors(self, part: Any, inputs: Tensor, fixed: Tree, state: Tree) -> Sequence[Tensor]:
        """See `Kernel.tensors`."""
        return self._loop(part).tensors(
            own_modules(part)["decoder"], table_of(own_modules(part)["target_embedding"]), fixed, state
        )

    def verify(self, part: Any, inputs: Tensor, fixed: Tree, state: Tree) -> str | None:
        """See `Kernel.verify`."""
        if reason := super().verify(part, inputs, fixed, state):
            return reason
        table = table_of(own_modules(part)["target_embedding"])
        return lookup_refusal(table, inputs) or self._loop(part).lookup_refusal(
            own_modules(part)["decoder"], table.shape[1]
        )

    def __call__(self, part: Any, inputs: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tensor | None, Tree]:
        """See `Seq2Seq.decode`."""
        found = LookedUp(table_of(own_modules(part)["target_embedding"]), inputs.contiguous())
        return self._loop(part).unroll(own_modules(part)["decoder"], found.x(), fixed, state, found)

    def _loop(self, part: Any) -> Any:
        return LOOPS[part_name(own_modules(part)["decoder"])]
