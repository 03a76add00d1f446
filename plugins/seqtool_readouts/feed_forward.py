"""One hidden layer of leaky rectifiers. Raffel & Ellis 2015, arXiv 1512.08756, section 3."""

from torch import Tensor, nn
from torch.nn import functional as F

from seqtool.api import Readout, Size


class FeedForwardReadout(Readout):
    """One hidden layer of leaky rectifiers, then an affine map.

    Equation:
        s = lrelu(W features + b);  logits = V s + d, or lrelu(V s + d);  lrelu(z) = max(z, 0.01 z)

    Source: Raffel & Ellis 2015, arXiv 1512.08756, section 3, with the initial values of theirs: W and V normal with
    the standard deviation 1 / sqrt(how many numbers they read), b and d zero.

    When to use: what is read out is no linear function of the features, such as a product of two values.

    Args:
        feature_size: D, the width of the features.
        output_size: V, how many symbols may be predicted, or values a position has.
        hidden_size: the width of s.
        rectify: the outputs too, as the paper does.
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
