"""A decoder that steps, then looks. Luong et al. 2015, arXiv 1508.04025."""

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
    Tensors,
    named,
)


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
        self.bridge = Bridge(final_sizes, self.cell, bridge, only_way=attention is None)
        self.combine = nn.Linear(joined_size, attentional_size, bias=False)
        self.readout_layer = readout(self.feature_size, output_size)

    def start(self, encoded: Encoded) -> tuple[Tensors, Tensors]:
        """See `Decoder.start`; the cell's tensors stand first, then h~ where it is fed, then the attention's."""
        fixed, state = self.cell.start(len(encoded.memory), encoded.memory)
        state = self.bridge(encoded.final, state)
        if self.input_feeding:
            state = (*state, encoded.memory.new_zeros(len(encoded.memory), self.feature_size))
        if self.attention is None:
            return fixed, state
        attention_fixed, attention_state = self.attention.start(encoded.memory, encoded.mask)
        return fixed + attention_fixed, state + attention_state

    def step(self, inputs: Tensor, fixed: Tensors, state: Tensors) -> tuple[Tensor, Tensor | None, Tensors]:
        """See `Decoder.step`."""
        cell_fixed, attention_fixed, cell_state, attention_state = self._split(fixed, state)
        if self.input_feeding:
            inputs = torch.cat([inputs, state[len(cell_state)]], 1)
        output, cell_state = self.cell.step(inputs, cell_fixed, cell_state)
        features, weights, attention_state = self._look(output.unsqueeze(1), attention_fixed, attention_state)
        vector = features.squeeze(1)
        fed = (vector,) if self.input_feeding else ()
        step_weights = None if weights is None else weights.squeeze(2)
        return vector, step_weights, cell_state + fed + attention_state

    def unroll(self, inputs: Tensor, fixed: Tensors, state: Tensors) -> tuple[Tensor, Tensor | None, Tensors]:
        """See `Decoder.unroll`. Without input feeding the cell unrolls first, then all steps look at once."""
        if self.input_feeding:
            return super().unroll(inputs, fixed, state)
        cell_fixed, attention_fixed, cell_state, attention_state = self._split(fixed, state)
        real = inputs.new_ones(inputs.shape[:2], dtype=torch.bool)
        outputs, cell_state = self.cell.unroll(inputs, real, cell_fixed, cell_state)
        features, weights, attention_state = self._look(outputs, attention_fixed, attention_state)
        return features, weights, cell_state + attention_state

    def _look(self, outputs: Tensor, fixed: Tensors, state: Tensors) -> tuple[Tensor, Tensor | None, Tensors]:
        """`outputs [B, T, H]` -> `(h~ [B, T, D], weights [B, N, T, S] or None, state)`."""
        if self.attention is None:
            return torch.tanh(self.combine(outputs)), None, state
        context, weights, state = self.attention(outputs, fixed, state)
        return torch.tanh(self.combine(torch.cat([context, outputs], 2))), weights, state

    def _split(self, fixed: Tensors, state: Tensors) -> tuple[Tensors, Tensors, Tensors, Tensors]:
        """`(cell's fixed, attention's fixed, cell's state, attention's state)`; h~ is in none of them."""
        fixed_split, state_split = self.cell.num_fixed, len(self.cell.state_sizes)
        return (
            fixed[:fixed_split],
            fixed[fixed_split:],
            state[:state_split],
            state[state_split + self.input_feeding :],
        )
