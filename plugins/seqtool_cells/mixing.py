"""Two values mixed, whatever their precision."""

import torch
from torch import Tensor


def mixed(start: Tensor, end: Tensor, share: Tensor | float) -> Tensor:
    """`(1 - share) start + share end`.

    Under autocast one may be bfloat16 and another float32, which torch.lerp refuses.
    """
    dtype = torch.promote_types(start.dtype, end.dtype)
    if isinstance(share, Tensor):
        share = share.to(dtype)
    return torch.lerp(start.to(dtype), end.to(dtype), share)
