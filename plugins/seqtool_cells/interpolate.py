"""Linear interpolation between tensors of different precision."""

import torch
from torch import Tensor


def interpolate(start: Tensor, end: Tensor, weight: Tensor | float) -> Tensor:
    """`(1 - weight) start + weight end`.

    Under autocast the arguments may differ in dtype, which `torch.lerp` does not accept.
    """
    dtype = torch.promote_types(start.dtype, end.dtype)
    if isinstance(weight, Tensor):
        weight = weight.to(dtype)
    return torch.lerp(start.to(dtype), end.to(dtype), weight)
