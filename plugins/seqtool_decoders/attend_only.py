"""A decoder of attention without a cell. Raffel & Ellis 2015, arXiv 1512.08756, section 2."""

from torch import Tensor

from seqtool.api import Attention, Decoder, Encoded, Factory, Readout, Tree, named


class AttendOnly(Decoder):
    """The features are the context; there is no cell.

    Equation:
        c_i = attention(y_{i-1}, h);  features are c_i

    Source: Raffel & Ellis 2015, arXiv 1512.08756, section 2. There the scores depend on the memory alone (the scorer
    `feed_forward`) and targets have one position, so y_{i-1} is not used.

    When to use: targets of one position that summarise a whole source, as in the tasks adding and multiplication. In a
    longer target the last symbol is all that distinguishes the steps.

    Args:
        input_size: E, the size of an embedded target symbol.
        memory_size: M, the size of a memory vector.
        final_sizes: the sizes of the encoder's final states; unused.
        output_size: V, the number of target symbols, or of values per position.
        attention: scorer, normalizer, heads.
        readout: the map from features to logits.
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
        """See `Decoder.unroll`. All steps attend in parallel if the attention allows it."""
        return self.attention(inputs, fixed, state)
