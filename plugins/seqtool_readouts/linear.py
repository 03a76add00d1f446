"""A linear readout. Sutskever et al. 2014, arXiv 1409.3215, section 2."""

from torch import Tensor, nn

from seqtool.api import Readout


class LinearReadout(Readout):
    """One affine map.

    Equation:
        logits = W features + b

    Source: Sutskever et al. 2014, arXiv 1409.3215, section 2.

    When to use: the default.

    Args:
        feature_size: D, the size of the features.
        output_size: V, the number of target symbols.
    """

    def __init__(self, feature_size: int, output_size: int) -> None:
        super().__init__()
        self.map = nn.Linear(feature_size, output_size)

    def forward(self, features: Tensor) -> Tensor:
        """See `Readout.forward`."""
        return self.map(features)
