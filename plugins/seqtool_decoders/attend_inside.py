"""A decoder that looks between two transitions. Sennrich et al. 2017 (Nematus), arXiv 1703.04357."""

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
    """The trees of both cells and of the attention."""

    first: Tree
    second: Tree
    attention: Tree


class AttendInside(Decoder):
    """Two cells a step, the attention between them: the conditional GRU, for any cell.

    Equation:
        s'_i = cell_1(y_{i-1}, s_{i-1});  c_i = attention(s'_i, h);  s_i = cell_2(c_i, s'_i)

    Source: Sennrich et al. 2017 (Nematus), arXiv 1703.04357, section 4; its GRUs are `cell: gru` here.

    When to use: where the symbol just written should say where to look next, and what is found should still change the
    state before the next symbol is chosen. Costs two cells a step.

    Args:
        input_size: E, the width of an embedded target symbol.
        memory_size: M, the width of the memory.
        final_sizes: the widths of the encoder's final states.
        output_size: V, how many symbols may be predicted.
        cell: the recurrent cell, built twice with parameters of its own.
        attention: scorer, normalizer, heads; asked with the output of the first cell.
        features: what is joined for the readout: the second cell's output, the context, the step's input.
        bridge: how the encoder's final state becomes the first: zero, copy or linear.
        readout: features -> logits.

    Raises:
        PartError: the sizes do not fit a part, or nothing that is read out depends on the cells.
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
                "the second cell would be used nowhere but in later steps",
                option="features",
                allowed="output among them",
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
        """See `Decoder.start`; both cells share one state."""
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
