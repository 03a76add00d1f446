"""A decoder that attends before the cell. Bahdanau et al. 2015, arXiv 1409.0473; Graves 2013, arXiv 1308.0850."""

from typing import Annotated, Literal

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
    state_layout,
    tree,
)
from seqtool_decoders.cell_and_attention import CellAndAttention, start_cell_and_attention


class AttendBefore(Decoder):
    """The query is the cell's last state, and the context is an input of the cell: Bahdanau's decoder.

    Equation:
        c_i = attention(s_{i-1}, h);  s_i = cell([y_{i-1}; c_i], s_{i-1})

    Source: Bahdanau et al. 2015, arXiv 1409.0473, section 3.1; Graves 2013, arXiv 1308.0850, section 5.

    When to use: the default. The context enters the state, so later attention may depend on it. Target steps are
    processed one after the other.

    Args:
        input_size: E, the size of an embedded target symbol.
        memory_size: M, the size of a memory vector.
        final_sizes: the sizes of the encoder's final states.
        output_size: V, the number of target symbols.
        cell: the recurrent cell.
        attention: scorer, normalizer, heads; null for no attention.
        query: what is concatenated to the query: the cell's last output (an LSTM's h), the rest of its last state (an
            LSTM's c), its whole last state, the step's input.
        feed: what is concatenated to the cell's input: the step's input, the context.
        features: what is concatenated for the readout: the cell's new output, the context, the step's input.
        bridge: how the initial state follows from the encoder's final state: zero, copy or linear.
        readout: the map from features to logits.

    Raises:
        PartError: the sizes do not fit, the decoder has no access to the source, the cell does not affect the features,
            or the query needs an inner state that the cell lacks.
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
        query: Annotated[tuple[Literal["output", "inner_state", "state", "input"], ...], MinLen(1)] = ("output",),
        feed: Annotated[tuple[Literal["input", "context"], ...], MinLen(1)] = ("input", "context"),
        features: Annotated[tuple[Literal["output", "context", "input"], ...], MinLen(1)] = ("output",),
        bridge: BridgeType = "zero",
        readout: Factory[Readout] = named("linear"),
    ) -> None:
        super().__init__()
        if attention is None:
            feed = tuple(piece for piece in feed if piece != "context")
            features = tuple(piece for piece in features if piece != "context")
        elif "context" not in feed and "context" not in features:
            raise PartError("the context is not used", option="feed", allowed="context in feed or features")
        if not feed or not features:
            raise PartError("there is no context without attention", option="features" if feed else "feed")
        state_in_query = attention is not None and set(query) != {"input"}
        if "output" not in features and not (state_in_query and "context" in features):
            raise PartError(
                "the features do not depend on the cell",
                option="features",
                allowed="a list with output, or with context if the query contains output, inner_state or state",
            )
        self.query, self.feed, self.features = query, feed, features
        sizes = {"input": input_size, "context": memory_size}
        self.cell = cell(sum(sizes[piece] for piece in feed))
        layout = state_layout(self.cell)
        sizes |= {"output": self.cell.output_size, "state": sum(layout.sizes)}
        sizes["inner_state"] = sum(layout.inner_sizes)
        if "inner_state" in query and not sizes["inner_state"]:
            message = "the state of this cell is its output alone, without an inner_state"
            raise PartError(message, option="query", allowed="output, state, input")
        self.attention = None
        if attention is not None:
            self.attention = attention(sum(sizes[piece] for piece in query), memory_size)
            self.num_heads = self.attention.num_heads
        self.bridge = Bridge(final_sizes, self.cell, bridge, only_connection=attention is None)
        self.feature_size = sum(sizes[piece] for piece in features)
        self.readout_layer = readout(self.feature_size, output_size)

    def start(self, encoded: Encoded) -> tuple[CellAndAttention, CellAndAttention]:
        """See `Decoder.start`."""
        return start_cell_and_attention(self.cell, self.bridge, self.attention, encoded)

    def step(
        self, inputs: Tensor, fixed: CellAndAttention, state: CellAndAttention
    ) -> tuple[Tensor, Tensor | None, CellAndAttention]:
        """See `Decoder.step`."""
        cell_state, attention_state = state
        pieces = {"input": inputs}
        weights = None
        if self.attention is not None:
            pieces |= self._state_pieces(cell_state)
            query = concatenate(pieces, self.query).unsqueeze(1)
            context, all_weights, attention_state = self.attention(query, fixed.attention, attention_state)
            pieces["context"], weights = context.squeeze(1), all_weights.squeeze(2)
        output, cell_state = self.cell.step(concatenate(pieces, self.feed), fixed.cell, cell_state)
        pieces["output"] = output
        return concatenate(pieces, self.features), weights, CellAndAttention(cell_state, attention_state)

    def _state_pieces(self, state: Tree) -> dict[str, Tensor]:
        """The pieces of the cell's state that the query uses, and the output: `[B, size]` each."""
        output = self.cell.output(state)
        pieces = {"output": output}
        if "state" in self.query:
            pieces["state"] = torch.cat(tree.vectors(self.cell.features(state)), 1)
        if "inner_state" in self.query:
            inner = tuple(leaf for leaf in tree.leaves(self.cell.features(state)) if leaf is not output)
            pieces["inner_state"] = torch.cat(tree.vectors(inner), 1)
        return pieces


def concatenate(pieces: dict[str, Tensor], names: tuple[str, ...]) -> Tensor:
    """The named pieces, concatenated: `[B, F]`."""
    return pieces[names[0]] if len(names) == 1 else torch.cat([pieces[name] for name in names], 1)
