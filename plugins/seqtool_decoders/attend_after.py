"""A decoder that attends after the cell. Luong et al. 2015, arXiv 1508.04025, section 3."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from seqtool.api import (
    Attention,
    Bridge,
    BridgeType,
    Cell,
    Decoder,
    Encoded,
    Factory,
    Readout,
    Size,
    Tree,
    accelerated,
    named,
)
from seqtool_decoders.cell_and_attention import CellAndAttention, start_cell_and_attention


class AttendAfterState(NamedTuple):
    """The cell's state; the last h~ `[B, D]` with input feeding, else `()`; the attention's state or `()`."""

    cell: Tree
    attentional: Tree = ()
    attention: Tree = ()


class AttendAfter(Decoder):
    """The cell's new output is the query; output and context give the attentional vector h~.

    Equation:
        s_i = cell(y_{i-1}, s_{i-1}), with input feeding cell([y_{i-1}; h~_{i-1}], s_{i-1})
        c_i = attention(s_i, h);  h~_i = tanh(W_c [c_i; s_i])

    Source: Luong et al. 2015, arXiv 1508.04025, section 3, eq. 5; input feeding: section 3.3.

    When to use: when training time matters. Without input feeding the context does not affect later steps, so the cell
    unrolls with its kernel and all target steps attend in parallel. With input feeding it is about as accurate, and as
    slow, as `attend_before`.

    Args:
        input_size: E, the size of an embedded target symbol.
        memory_size: M, the size of a memory vector.
        final_sizes: the sizes of the encoder's final states.
        output_size: V, the number of target symbols.
        cell: the recurrent cell.
        attention: scorer, normalizer, heads; null for no attention.
        attentional_size: D, the size of h~.
        input_feeding: concatenate the last h~ to the cell's input.
        bridge: how the initial state follows from the encoder's final state: zero, copy or linear.
        readout: the map from features to logits.

    Raises:
        PartError: the sizes do not fit, or the decoder has no access to the source.
    """

    def __init__(
        self,
        input_size: int,
        memory_size: int,
        final_sizes: tuple[int, ...],
        output_size: int,
        *,
        cell: Factory[Cell],
        attention: Factory[Attention] | None,
        attentional_size: Size,
        input_feeding: bool = False,
        bridge: BridgeType = "zero",
        readout: Factory[Readout] = named("linear"),
    ) -> None:
        super().__init__()
        self.input_feeding = input_feeding
        self.feature_size = attentional_size
        self.cell = cell(input_size + (attentional_size if input_feeding else 0))
        self.attention = None
        joined_size = self.cell.output_size
        if attention is not None:
            self.attention = attention(self.cell.output_size, memory_size)
            self.num_heads = self.attention.num_heads
            joined_size += memory_size
        self.bridge = Bridge(final_sizes, self.cell, bridge, only_connection=attention is None)
        self.combine = nn.Linear(joined_size, attentional_size, bias=False)
        self.readout_layer = readout(self.feature_size, output_size)

    def start(self, encoded: Encoded) -> tuple[CellAndAttention, AttendAfterState]:
        """See `Decoder.start`."""
        fixed, state = start_cell_and_attention(self.cell, self.bridge, self.attention, encoded)
        memory = encoded.memory
        attentional = memory.new_zeros(len(memory), self.feature_size) if self.input_feeding else ()
        return fixed, AttendAfterState(state.cell, attentional, state.attention)

    def step(
        self, inputs: Tensor, fixed: CellAndAttention, state: AttendAfterState
    ) -> tuple[Tensor, Tensor | None, AttendAfterState]:
        """See `Decoder.step`."""
        if self.input_feeding:
            inputs = torch.cat([inputs, state.attentional], 1)
        output, cell_state = self.cell.step(inputs, fixed.cell, state.cell)
        features, weights, attention_state = self._attend(output.unsqueeze(1), fixed.attention, state.attention)
        attentional = features.squeeze(1)
        step_weights = None if weights is None else weights.squeeze(2)
        new_state = AttendAfterState(cell_state, attentional if self.input_feeding else (), attention_state)
        return attentional, step_weights, new_state

    @accelerated
    def unroll(
        self, inputs: Tensor, fixed: CellAndAttention, state: AttendAfterState
    ) -> tuple[Tensor, Tensor | None, AttendAfterState]:
        """See `Decoder.unroll`. Without input feeding the cell unrolls first, then all steps attend in parallel."""
        if self.input_feeding:
            return super().unroll(inputs, fixed, state)
        real = inputs.new_ones(inputs.shape[:2], dtype=torch.bool)
        outputs, cell_state = self.cell.unroll(inputs, real, fixed.cell, state.cell)
        features, weights, attention_state = self._attend(outputs, fixed.attention, state.attention)
        return features, weights, AttendAfterState(cell_state, (), attention_state)

    def _attend(self, outputs: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tensor | None, Tree]:
        """`outputs [B, T, H]` -> `(h~ [B, T, D], weights [B, N, T, S] or None, state)`."""
        if self.attention is None:
            return torch.tanh(self.combine(outputs)), None, state
        context, weights, state = self.attention(outputs, fixed, state)
        return torch.tanh(self.combine(torch.cat([context, outputs], 2))), weights, state
