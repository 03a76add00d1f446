"""Self-attention over the source. Vaswani et al. 2017, arXiv 1706.03762."""

from torch import Tensor, nn

from seqtool.api import Depth, Encoded, Encoder, PartError, Probability, Size
from seqtool_encoders.sinusoids import sinusoids


class Transformer(Encoder):
    """Layers in which every position attends to all of the source; no final state.

    Equation:
        h^0_j = E x_j + position_j
        u = LN(h + heads(h, h, h));  h' = LN(u + W_2 relu(W_1 u)); with `norm_first`
        u = h + heads(LN(h));  h' = u + W_2 relu(W_1 LN(u)), and a last LN over all layers

    Source: Vaswani et al. 2017, arXiv 1706.03762, section 3; `norm_first`: Xiong et al. 2020, arXiv 2002.04745. The
    layers are torch's own, the positions sinusoids (Vaswani et al., section 3.5).

    When to use: where positions far apart must be compared in one step, and there is data enough to learn it; on small
    data the encoder `rnn` is safer. The decoder needs attention and `bridge: zero`; cost grows as the source squared.

    Args:
        input_size: I, the width of x.
        hidden_size: H, the width of h and of the memory.
        layers: how many.
        heads: how many parts each attention looks with; must divide the hidden size.
        feed_forward_size: the width between W_1 and W_2; null for 4 H.
        norm_first: normalise what goes into each half of a layer, not what comes out; learns without a warm-up.
        dropout: the probability that a number on its way is dropped in training.

    Raises:
        PartError: the heads do not divide the hidden size.
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
            message = f"{heads} heads cannot share {hidden_size} numbers evenly"
            raise PartError(message, option="heads", allowed="a number that divides the hidden size")
        self.memory_size = hidden_size
        self.final_sizes = ()
        self.map = nn.Linear(input_size, hidden_size)
        between = feed_forward_size or 4 * hidden_size
        layer = nn.TransformerEncoderLayer(
            hidden_size, heads, between, dropout, batch_first=True, norm_first=norm_first
        )
        last = nn.LayerNorm(hidden_size) if norm_first else None
        self.layers = nn.TransformerEncoder(layer, layers, last, enable_nested_tensor=False)
        for parameter in self.layers.parameters():  # torch copies one layer, its numbers included
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, x: Tensor, mask: Tensor) -> Encoded:
        """See `Encoder.forward`. A row without a real position looks at its first, lest a softmax be over nothing."""
        padding = ~mask
        h = self.map(x.masked_fill(padding[:, :, None], 0))
        hidden = padding.clone()
        hidden[:, :1] = False
        memory = self.layers(h + sinusoids(h), src_key_padding_mask=hidden)
        return Encoded(memory.masked_fill(padding[:, :, None], 0), mask, ())
