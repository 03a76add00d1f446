"""The contract of a readout: features -> logits."""

from torch import Tensor, nn


class Readout(nn.Module):
    """Takes `(feature_size, output_size, *, ...)`."""

    kind = "readout"

    def forward(self, features: Tensor) -> Tensor:
        """`features [B, T, D]` -> `logits [B, T, V]`."""
        raise NotImplementedError
