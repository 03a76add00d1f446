"""A decoder that looks and remembers nothing. Raffel & Ellis 2015, arXiv 1512.08756, section 2."""

from torch import Tensor

from seqtool.api import Attention, Decoder, Encoded, Factory, Readout, Tree, named


class AttendOnly(Decoder):
    """The context is read out, and nothing else: no cell, no state.

    Equation:
        c_i = attention(y_{i-1}, h);  features are c_i

    Source: Raffel & Ellis 2015, arXiv 1512.08756, section 2, whose scores look at the memory alone (the scorer
    `feed_forward`) and whose targets have one position, so that y_{i-1} plays no part.

    When to use: one answer from a whole source, as in adding and multiplication. To write out a sequence it has
    nothing but the symbol before to know where it is.

    Args:
        input_size: E, the width of an embedded target symbol.
        memory_size: M, the width of the memory.
        final_sizes: the widths of the encoder's final states; not looked at.
        output_size: V, how many symbols may be predicted, or values a position has.
        attention: scorer, normalizer, heads.
        readout: features -> logits.
    """

    def __init__(
        self,
        input_size: int,
        memory_size: int,
        final_sizes: tuple[int, ...],
        output_size: int,
        *,
        attention: Factory[Attention],
        readout: Factory[Readout] = named("linear"),
    ) -> None:
        super().__init__()
        self.attention = attention(input_size, memory_size)
        self.num_heads = self.attention.num_heads
        self.feature_size = memory_size
        self.readout_layer = readout(self.feature_size, output_size)

    def start(self, encoded: Encoded) -> tuple[Tree, Tree]:
        """See `Decoder.start`."""
        return self.attention.start(encoded.memory, encoded.mask)

    def step(self, inputs: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tensor | None, Tree]:
        """See `Decoder.step`."""
        context, weights, state = self.attention(inputs.unsqueeze(1), fixed, state)
        return context.squeeze(1), weights.squeeze(2), state

    def unroll(self, inputs: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tensor | None, Tree]:
        """See `Decoder.unroll`. Nothing is carried over but what the attention carries, so all steps look at once."""
        return self.attention(inputs, fixed, state)
