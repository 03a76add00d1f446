"""A decoder that looks before it steps. Bahdanau et al. 2015, arXiv 1409.0473; Graves 2013, arXiv 1308.0850."""

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
from seqtool_decoders.cell_and_attention import CellAndAttention


class AttendBefore(Decoder):
    """The context is found with the last state, then fed to the cell: the attentive LSTM, Bahdanau's decoder.

    Equation:
        c_i = attention(s_{i-1}, h);  s_i = cell([y_{i-1}; c_i], s_{i-1})

    Source: Bahdanau et al. 2015, arXiv 1409.0473, section 3.1; Graves 2013, arXiv 1308.0850, section 5.

    When to use: the default. What is seen enters the state, so the next look may depend on it; one step after the
    other.

    Args:
        input_size: E, the width of an embedded target symbol.
        memory_size: M, the width of the memory.
        final_sizes: the widths of the encoder's final states.
        output_size: V, how many symbols may be predicted.
        cell: the recurrent cell.
        attention: scorer, normalizer, heads; null for no context at all.
        query: what is joined to ask with: the cell's last output (an LSTM's h), its last state but for that (an LSTM's
            c), its whole last state, the step's input.
        feed: what is joined to feed the cell: the step's input, the context.
        features: what is joined for the readout: the cell's new output, the context, the step's input.
        bridge: how the encoder's final state becomes the first: zero, copy or linear.
        readout: features -> logits.

    Raises:
        PartError: the sizes do not fit a part, nothing tells the decoder of the source, or the cell is used nowhere,
            or its state has no part that the query names.
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
            raise PartError("the context is used nowhere", option="feed", allowed="context in feed or features")
        if not feed or not features:
            option = "features" if feed else "feed"
            raise PartError("without attention there is no context to use", option=option)
        asks = attention is not None and set(query) != {"input"}
        if "output" not in features and not (asks and "context" in features):
            raise PartError(
                "nothing that is read out depends on the cell",
                option="features",
                allowed="output among them, or the context when the query holds output, inner_state or state",
            )
        self.query, self.feed, self.features = query, feed, features
        sizes = {"input": input_size, "context": memory_size}
        self.cell = cell(sum(sizes[piece] for piece in feed))
        layout = state_layout(self.cell)
        sizes |= {"output": self.cell.output_size, "state": sum(layout.sizes)}
        sizes["inner_state"] = sum(layout.inner_sizes)
        if "inner_state" in query and not sizes["inner_state"]:
            message = "this cell's state is its output alone: it has no inner_state to ask with"
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
        cell_fixed, state = self.cell.start(len(encoded.memory), encoded.memory)
        cell_state = self.bridge(encoded.final, state)
        if self.attention is None:
            return CellAndAttention(cell_fixed), CellAndAttention(cell_state)
        attention_fixed, attention_state = self.attention.start(encoded.memory, encoded.mask)
        return CellAndAttention(cell_fixed, attention_fixed), CellAndAttention(cell_state, attention_state)

    def step(
        self, inputs: Tensor, fixed: CellAndAttention, state: CellAndAttention
    ) -> tuple[Tensor, Tensor | None, CellAndAttention]:
        """See `Decoder.step`."""
        cell_state, attention_state = state
        pieces = {"input": inputs}
        weights = None
        if self.attention is not None:
            pieces |= self._asking(cell_state)
            query = join(pieces, self.query).unsqueeze(1)
            context, all_weights, attention_state = self.attention(query, fixed.attention, attention_state)
            pieces["context"], weights = context.squeeze(1), all_weights.squeeze(2)
        output, cell_state = self.cell.step(join(pieces, self.feed), fixed.cell, cell_state)
        pieces["output"] = output
        return join(pieces, self.features), weights, CellAndAttention(cell_state, attention_state)

    def _asking(self, state: Tree) -> dict[str, Tensor]:
        """What a query may contain of the cell's state, `[B, size]` each."""
        output = self.cell.output(state)
        found = {"output": output}
        if "state" in self.query:
            found["state"] = torch.cat(tree.vectors(self.cell.features(state)), 1)
        if "inner_state" in self.query:
            inner = tuple(leaf for leaf in tree.leaves(self.cell.features(state)) if leaf is not output)
            found["inner_state"] = torch.cat(tree.vectors(inner), 1)
        return found


def join(pieces: dict[str, Tensor], names: tuple[str, ...]) -> Tensor:
    """The named pieces side by side: `[B, F]`."""
    return pieces[names[0]] if len(names) == 1 else torch.cat([pieces[name] for name in names], 1)
