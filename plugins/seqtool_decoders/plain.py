"""A decoder without attention. Sutskever et al. 2014, arXiv 1409.3215; Cho et al. 2014, arXiv 1406.1078."""

from typing import NamedTuple

import torch
from torch import Tensor

from seqtool.api import Bridge, BridgeType, Cell, Decoder, Encoded, Factory, Readout, Tree, accelerated, named, tree


class PlainFixed(NamedTuple):
    """The cell's `fixed`; with `repeat` the concatenated final states `[B, F]`, else `()`."""

    cell: Tree
    repeated: Tree = ()


class Plain(Decoder):
    """A decoder whose only access to the source is the encoder's final state.

    Equation:
        s_0 = bridge(final);  s_i = cell(y_{i-1}, s_{i-1}), with `repeat` cell([y_{i-1}; final], s_{i-1})

    Source: Sutskever et al. 2014, arXiv 1409.3215; `repeat`: Cho et al. 2014, arXiv 1406.1078, section 2.2.

    When to use: short sources, or as a baseline for attention. Its accuracy falls as sources grow longer, since a state
    of fixed size represents the whole source.

    Args:
        input_size: E, the size of an embedded target symbol.
        memory_size: M; unused.
        final_sizes: the sizes of the encoder's final states.
        output_size: V, the number of target symbols.
        cell: the recurrent cell.
        bridge: how the initial state follows from the encoder's final state: copy, linear or zero.
        repeat: concatenate the final states to the cell's input at every step.
        readout: the map from features to logits.

    Raises:
        PartError: the sizes do not fit the bridge, or the decoder has no access to the source.
    """

    def __init__(
        self,
        input_size: int,
        memory_size: int,
        final_sizes: tuple[int, ...],
        output_size: int,
        *,
        cell: Factory[Cell],
        bridge: BridgeType = "copy",
        repeat: bool = False,
        readout: Factory[Readout] = named("linear"),
    ) -> None:
        super().__init__()
        self.repeat = repeat
        self.cell = cell(input_size + (sum(final_sizes) if repeat else 0))
        only_connection = not (repeat and final_sizes)
        self.bridge = Bridge(final_sizes, self.cell, bridge, only_connection=only_connection)
        self.feature_size = self.cell.output_size
        self.readout_layer = readout(self.feature_size, output_size)

    def start(self, encoded: Encoded) -> tuple[PlainFixed, Tree]:
        """See `Decoder.start`; the state is the cell's."""
        fixed, state = self.cell.start(len(encoded.memory), encoded.memory)
        repeated = torch.cat(tree.vectors(encoded.final), 1) if self.repeat else ()
        return PlainFixed(fixed, repeated), self.bridge(encoded.final, state)

    def step(self, inputs: Tensor, fixed: PlainFixed, state: Tree) -> tuple[Tensor, Tensor | None, Tree]:
        """See `Decoder.step`."""
        if self.repeat:
            inputs = torch.cat([inputs, fixed.repeated], 1)
        output, state = self.cell.step(inputs, fixed.cell, state)
        return output, None, state

    @accelerated
    def unroll(self, inputs: Tensor, fixed: PlainFixed, state: Tree) -> tuple[Tensor, Tensor | None, Tree]:
        """See `Decoder.unroll`. The cell's own `unroll`."""
        if self.repeat:
            repeated = fixed.repeated.unsqueeze(1).expand(-1, inputs.shape[1], -1)
            inputs = torch.cat([inputs, repeated], 2)
        real = inputs.new_ones(inputs.shape[:2], dtype=torch.bool)
        outputs, state = self.cell.unroll(inputs, real, fixed.cell, state)
        return outputs, None, state
