"""A linear recurrence over all steps at once. Hillis & Steele 1986; in the place of the scan over logarithms."""

import torch
from torch import Tensor


def linear_scan(keep: Tensor, add: Tensor, initial: Tensor) -> Tensor:
    """h_t = keep_t h_{t-1} + add_t: `keep`, `add` `[B, S, H]`, `initial` `[B, H]` -> `[B, S, H]`, S >= 1.

    Two steps make one of the same form, h -> (a2 a1) h + (a2 b1 + b2), so log2 S rounds of doubling do. With `keep`
    within [0, 1] nothing can overflow, whatever the signs; a scan of logarithms needs positive `add` and `initial`.
    """
    add = torch.cat([torch.addcmul(add[:, :1], keep[:, :1], initial.unsqueeze(1)), add[:, 1:]], 1)
    reach = 1
    while reach < add.shape[1]:
        later = keep[:, reach:]
        add = torch.cat([add[:, :reach], torch.addcmul(add[:, reach:], later, add[:, :-reach])], 1)
        keep = torch.cat([keep[:, :reach], later * keep[:, :-reach]], 1)
        reach *= 2
    return add
