"""A decoder that steps, then looks. Luong et al. 2015, arXiv 1508.04025."""

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
from seqtool_decoders.cell_and_attention import CellAndAttention


class AttendAfterState(NamedTuple):
    """The cell's state; h~ `[B, D]` where it is fed, else `()`; the attention's state, `()` without one."""

    cell: Tree
    fed: Tree = ()
    attention: Tree = ()


class AttendAfter(Decoder):
    """The cell steps first; its output asks for the context; both make the attentional vector h~.

    Equation:
        s_i = cell(y_{i-1}, s_{i-1}), with input feeding cell([y_{i-1}; h~_{i-1}], s_{i-1})
        c_i = attention(s_i, h);  h~_i = tanh(W_c [c_i; s_i])

    Source: Luong et al. 2015, arXiv 1508.04025, section 3, eq. 5; input feeding: section 3.3.

    When to use: when training time counts: without input feeding the cell's kernel and one product do all target steps.
    With input feeding it is about as strong, and as slow, as `attend_before`.

    Without input feeding nothing that is looked at comes back, so all target steps are taken at once.

    Args:
        input_size: E, the width of an embedded target symbol.
        memory_size: M, the width of the memory.
        final_sizes: the widths of the encoder's final states.
        output_size: V, how many symbols may be predicted.
        cell: the recurrent cell.
        attention: scorer, normalizer, heads; null for no context at all.
        attentional_size: the width of h~.
        input_feeding: feed h~ of the step before to the cell.
        bridge: how the encoder's final state becomes the first: zero, copy or linear.
        readout: features -> logits.

    Raises:
        PartError: the sizes do not fit a part, or nothing tells the decoder of the source.
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
        cell_fixed, state = self.cell.start(len(encoded.memory), encoded.memory)
        cell_state = self.bridge(encoded.final, state)
        fed = encoded.memory.new_zeros(len(encoded.memory), self.feature_size) if self.input_feeding else ()
        if self.attention is None:
            return CellAndAttention(cell_fixed), AttendAfterState(cell_state, fed)
        attention_fixed, attention_state = self.attention.start(encoded.memory, encoded.mask)
        return CellAndAttention(cell_fixed, attention_fixed), AttendAfterState(cell_state, fed, attention_state)

    def step(
        self, inputs: Tensor, fixed: CellAndAttention, state: AttendAfterState
    ) -> tuple[Tensor, Tensor | None, AttendAfterState]:
        """See `Decoder.step`."""
        if self.input_feeding:
            inputs = torch.cat([inputs, state.fed], 1)
        output, cell_state = self.cell.step(inputs, fixed.cell, state.cell)
        features, weights, attention_state = self._look(output.unsqueeze(1), fixed.attention, state.attention)
        vector = features.squeeze(1)
        fed = vector if self.input_feeding else ()
        step_weights = None if weights is None else weights.squeeze(2)
        return vector, step_weights, AttendAfterState(cell_state, fed, attention_state)

    @accelerated
    def unroll(
        self, inputs: Tensor, fixed: CellAndAttention, state: AttendAfterState
    ) -> tuple[Tensor, Tensor | None, AttendAfterState]:
        """See `Decoder.unroll`. Without input feeding the cell unrolls first, then all steps attend in parallel."""
        if self.input_feeding:
            return super().unroll(inputs, fixed, state)
        real = inputs.new_ones(inputs.shape[:2], dtype=torch.bool)
        outputs, cell_state = self.cell.unroll(inputs, real, fixed.cell, state.cell)
        features, weights, attention_state = self._look(outputs, fixed.attention, state.attention)
        return features, weights, AttendAfterState(cell_state, (), attention_state)

    def _look(self, outputs: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tensor | None, Tree]:
        """`outputs [B, T, H]` -> `(h~ [B, T, D], weights [B, N, T, S] or None, state)`."""
        if self.attention is None:
            return torch.tanh(self.combine(outputs)), None, state
        context, weights, state = self.attention(outputs, fixed, state)
        return torch.tanh(self.combine(torch.cat([context, outputs], 2))), weights, state
