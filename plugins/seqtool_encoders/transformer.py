"""The Transformer encoder. Vaswani et al. 2017, arXiv 1706.03762, section 3."""

from torch import Tensor, nn

from seqtool.api import Depth, Encoded, Encoder, PartError, Probability, Size
from seqtool_encoders.sinusoids import sinusoids


class Transformer(Encoder):
    """Layers of self-attention over the source; no final state.

    Equation:
        h^0_j = E x_j + position_j
        u = LN(h + heads(h, h, h));  h' = LN(u + W_2 relu(W_1 u)); with `norm_first`
        u = h + heads(LN(h));  h' = u + W_2 relu(W_1 LN(u)), and a last LN after all layers

    Source: Vaswani et al. 2017, arXiv 1706.03762, section 3; `norm_first`: Xiong et al. 2020, arXiv 2002.04745. The
    layers are PyTorch's, the positions sinusoids (Vaswani et al., section 3.5).

    When to use: where distant positions must be compared directly and there is enough data; for small data prefer the
    encoder `rnn`. The decoder needs attention and `bridge: zero`. The cost grows with the square of the source length.

    Args:
        input_size: I, the size of x.
        hidden_size: H, the size of h and of a memory vector.
        layers: the number of layers.
        heads: the number of attention heads; must divide H.
        feed_forward_size: the size between W_1 and W_2; null for 4 H.
        norm_first: normalise the input of each sublayer instead of its output; training needs no warm-up.
        dropout: the dropout probability in each sublayer.

    Raises:
        PartError: `heads` does not divide `hidden_size`.
    """

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: Size,
        layers: Depth = 2,
        heads: Size = 1,
        feed_forward_size: Size | None = None,
        norm_first: bool = True,
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        if hidden_size % heads:
            message = f"{heads} heads do not divide a hidden_size of {hidden_size}"
            raise PartError(message, option="heads", allowed="a divisor of hidden_size")
        self.memory_size = hidden_size
        self.final_sizes = ()
        self.map = nn.Linear(input_size, hidden_size)
        inner_size = feed_forward_size or 4 * hidden_size
        layer = nn.TransformerEncoderLayer(
            hidden_size, heads, inner_size, dropout, batch_first=True, norm_first=norm_first
        )
        last = nn.LayerNorm(hidden_size) if norm_first else None
        self.layers = nn.TransformerEncoder(layer, layers, last, enable_nested_tensor=False)
        for parameter in self.layers.parameters():  # PyTorch copies one layer, so all have the same initial values
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, x: Tensor, mask: Tensor) -> Encoded:
        """See `Encoder.forward`. Rows without real positions attend to their first: softmax needs one position."""
        padding = ~mask
        h = self.map(x.masked_fill(padding[:, :, None], 0))
        ignored = padding.clone()
        ignored[:, :1] = False
        memory = self.layers(h + sinusoids(h), src_key_padding_mask=ignored)
        return Encoded(memory.masked_fill(padding[:, :, None], 0), mask, ())
