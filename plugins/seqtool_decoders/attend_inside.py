"""A decoder that attends between two cells. Sennrich et al. 2017 (Nematus), arXiv 1703.04357, section 4."""

from typing import Annotated, Literal, NamedTuple

import torch
from torch import Tensor

from seqtool.api import (
    Attention,
    Bridge,
    BridgeType,
    Cell,
    Decoder,
    Encoded,
    Factory,
    MinLen,
    PartError,
    Readout,
    Tree,
    named,
)
from seqtool_decoders.cell_and_attention import CellAndAttention


class AttendInsideFixed(NamedTuple):
    """The `fixed` of both cells and of the attention."""

    first: Tree
    second: Tree
    attention: Tree


class AttendInside(Decoder):
    """Two cells per step with the attention between them: the conditional GRU, for any cell.

    Equation:
        s'_i = cell_1(y_{i-1}, s_{i-1});  c_i = attention(s'_i, h);  s_i = cell_2(c_i, s'_i)

    Source: Sennrich et al. 2017 (Nematus), arXiv 1703.04357, section 4; the paper's GRUs are `cell: gru`.

    When to use: where the query should depend on the last symbol and the context should update the state before the
    next symbol is predicted. It costs two cells per step.

    Args:
        input_size: E, the size of an embedded target symbol.
        memory_size: M, the size of a memory vector.
        final_sizes: the sizes of the encoder's final states.
        output_size: V, the number of target symbols.
        cell: the recurrent cell, built twice with separate parameters.
        attention: scorer, normalizer, heads; the query is the output of the first cell.
        features: what is concatenated for the readout: the second cell's output, the context, the step's input.
        bridge: how the initial state follows from the encoder's final state: zero, copy or linear.
        readout: the map from features to logits.

    Raises:
        PartError: the sizes do not fit, or `features` lacks the output.
    """

    def __init__(
        self,
        input_size: int,
        memory_size: int,
        final_sizes: tuple[int, ...],
        output_size: int,
        *,
        cell: Factory[Cell],
        attention: Factory[Attention],
        features: Annotated[tuple[Literal["output", "context", "input"], ...], MinLen(1)] = ("output",),
        bridge: BridgeType = "zero",
        readout: Factory[Readout] = named("linear"),
    ) -> None:
        super().__init__()
        if "output" not in features:
            raise PartError(
                "the features do not depend on the second cell", option="features", allowed="a list with output"
            )
        self.features = features
        self.first, self.second = cell(input_size), cell(memory_size)
        self.attention = attention(self.first.output_size, memory_size)
        self.num_heads = self.attention.num_heads
        self.bridge = Bridge(final_sizes, self.first, bridge, only_connection=False)
        sizes = {"input": input_size, "context": memory_size, "output": self.second.output_size}
        self.feature_size = sum(sizes[piece] for piece in features)
        self.readout_layer = readout(self.feature_size, output_size)

    def start(self, encoded: Encoded) -> tuple[AttendInsideFixed, CellAndAttention]:
        """See `Decoder.start`; both cells update one state."""
        first, state = self.first.start(len(encoded.memory), encoded.memory)
        second, _ = self.second.start(len(encoded.memory), encoded.memory)
        attention_fixed, attention_state = self.attention.start(encoded.memory, encoded.mask)
        fixed = AttendInsideFixed(first, second, attention_fixed)
        return fixed, CellAndAttention(self.bridge(encoded.final, state), attention_state)

    def step(
        self, inputs: Tensor, fixed: AttendInsideFixed, state: CellAndAttention
    ) -> tuple[Tensor, Tensor | None, CellAndAttention]:
        """See `Decoder.step`."""
        output, cell_state = self.first.step(inputs, fixed.first, state.cell)
        context, weights, attention_state = self.attention(output.unsqueeze(1), fixed.attention, state.attention)
        pieces = {"input": inputs, "context": context.squeeze(1)}
        pieces["output"], cell_state = self.second.step(pieces["context"], fixed.second, cell_state)
        features = torch.cat([pieces[name] for name in self.features], 1)
        return features, weights.squeeze(2), CellAndAttention(cell_state, attention_state)
