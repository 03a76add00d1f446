"""A readout with one hidden layer of leaky rectifiers. Raffel & Ellis 2015, arXiv 1512.08756, section 3."""

from torch import Tensor, nn
from torch.nn import functional as F

from seqtool.api import Readout, Size


class FeedForwardReadout(Readout):
    """One hidden layer of leaky rectifiers, then an affine map.

    Equation:
        s = lrelu(W features + b);  logits = V s + d, or lrelu(V s + d);  lrelu(z) = max(z, 0.01 z)

    Source: Raffel & Ellis 2015, arXiv 1512.08756, section 3, with the paper's initial values: W and V normal with
    standard deviation 1 / sqrt(number of inputs), b and d zero.

    When to use: targets that are not a linear function of the features, such as the product of two values.

    Args:
        feature_size: D, the size of the features.
        output_size: V, the number of target symbols, or of values per position.
        hidden_size: the size of s.
        rectify: apply lrelu to the outputs too, as in the paper.
    """

    def __init__(self, feature_size: int, output_size: int, *, hidden_size: Size, rectify: bool = False) -> None:
        super().__init__()
        self.rectify = rectify
        self.hidden = nn.Linear(feature_size, hidden_size)
        self.map = nn.Linear(hidden_size, output_size)
        for layer in (self.hidden, self.map):
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
            nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> Tensor:
        """See `Readout.forward`."""
        logits = self.map(F.leaky_relu(self.hidden(features), 0.01))
        return F.leaky_relu(logits, 0.01) if self.rectify else logits
