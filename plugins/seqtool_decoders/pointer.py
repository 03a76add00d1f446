"""Pointer networks. Vinyals et al. 2015, arXiv 1506.03134, section 2.3."""

import torch
from torch import Tensor

from seqtool.api import Attention, Bridge, BridgeType, Cell, Decoder, Encoded, Factory
from seqtool_decoders.cell_and_attention import CellAndAttention, start_cell_and_attention
from seqtool_decoders.copying import copied_probability, log_probability, require_normalized_weights


class Pointer(Decoder):
    """The attention weights are the output: every predicted symbol is copied from the source.

    Equation:
        s_i = cell(y_{i-1}, s_{i-1});  a_i = attention(s_i, h);  p(y) = sum over j with x_j = y of a_ij

    Source: Vinyals et al. 2015, arXiv 1506.03134, section 2.3; the sum over equal symbols: Kadlec et al. 2016,
    arXiv 1603.01547, eq. 2.

    The task's `copy_map` maps source symbols to target symbols. A position whose symbol has no target symbol gets
    weight zero in p, and the weights of the other positions are renormalised.

    When to use: tasks whose target symbols all occur in the source: sorting, copying, selection. Targets with an end
    symbol, or with any other symbol that the source lacks, need `pointer_generator`. All target steps attend in
    parallel in training.

    Args:
        input_size: E, the size of an embedded target symbol.
        memory_size: M, the size of a memory vector.
        final_sizes: the sizes of the encoder's final states.
        output_size: V, the number of target symbols.
        cell: the recurrent cell.
        attention: a scorer, and a normalizer whose weights sum to one; with several heads p is their mean.
        bridge: how the initial state follows from the encoder's final state: zero, copy or linear.

    Raises:
        PartError: the sizes do not fit, or the weights do not sum to one.
    """

    requires = frozenset({"symbols", "copy_map", "complete_copy_map"})

    def __init__(
        self,
        input_size: int,
        memory_size: int,
        final_sizes: tuple[int, ...],
        output_size: int,
        *,
        cell: Factory[Cell],
        attention: Factory[Attention],
        bridge: BridgeType = "zero",
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.cell = cell(input_size)
        self.attention = attention(self.cell.output_size, memory_size)
        self.num_heads = self.attention.num_heads
        require_normalized_weights(self, "attention")
        self.bridge = Bridge(final_sizes, self.cell, bridge, only_connection=False)
        self.feature_size = self.cell.output_size

    def start(self, encoded: Encoded) -> tuple[CellAndAttention, CellAndAttention]:
        """See `Decoder.start`."""
        return start_cell_and_attention(self.cell, self.bridge, self.attention, encoded)

    def step(
        self, inputs: Tensor, fixed: CellAndAttention, state: CellAndAttention
    ) -> tuple[Tensor, Tensor | None, CellAndAttention]:
        """See `Decoder.step`."""
        output, cell_state = self.cell.step(inputs, fixed.cell, state.cell)
        _, weights, attention_state = self.attention(output.unsqueeze(1), fixed.attention, state.attention)
        return output, weights.squeeze(2), CellAndAttention(cell_state, attention_state)

    def unroll(
        self, inputs: Tensor, fixed: CellAndAttention, state: CellAndAttention
    ) -> tuple[Tensor, Tensor | None, CellAndAttention]:
        """See `Decoder.unroll`. The cell unrolls first, then all steps attend in parallel."""
        real = inputs.new_ones(inputs.shape[:2], dtype=torch.bool)
        outputs, cell_state = self.cell.unroll(inputs, real, fixed.cell, state.cell)
        _, weights, attention_state = self.attention(outputs, fixed.attention, state.attention)
        return outputs, weights, CellAndAttention(cell_state, attention_state)

    def readout(self, features: Tensor, weights: Tensor | None, source: Tensor) -> Tensor:
        """See `Decoder.readout`; log-probabilities."""
        assert weights is not None
        return log_probability(copied_probability(weights, source, self.output_size))
