"""A linear readout. Sutskever et al. 2014, arXiv 1409.3215, section 2."""

from torch import Tensor, nn

from seqtool.api import Probability, Readout


class LinearReadout(Readout):
    """One affine map.

    Equation:
        logits = W features + b; in training W (m features) + b, m ~ Bernoulli(1 - dropout) / (1 - dropout)

    Source: Sutskever et al. 2014, arXiv 1409.3215, section 2; dropout: Srivastava et al. 2014, Journal of Machine
    Learning Research 15.

    When to use: the default. A dropout of 0.2 to 0.5 helps with a few hundred to ten thousand examples.

    Args:
        feature_size: D, the size of the features.
        output_size: V, the number of target symbols.
        dropout: the dropout probability of an element of the features.
    """

    def __init__(self, feature_size: int, output_size: int, *, dropout: Probability = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.map = nn.Linear(feature_size, output_size)

    def forward(self, features: Tensor) -> Tensor:
        """See `Readout.forward`."""
        return self.map(self.dropout(features))
