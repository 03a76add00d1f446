"""A linear recurrence over all steps in parallel. Hillis & Steele 1986."""

import torch
from torch import Tensor


def linear_scan(keep: Tensor, add: Tensor, initial: Tensor) -> Tensor:
    """h_t = keep_t h_{t-1} + add_t: `keep`, `add` `[B, S, H]`, `initial` `[B, H]` -> `[B, S, H]`, S >= 1.

    Two steps compose to one of the same form, h -> (a2 a1) h + (a2 b1 + b2), so log2 S rounds suffice. With `keep` in
    [0, 1] it does not overflow, for `add` of any sign; a scan in log space needs positive `add` and `initial`.
    """
    add = torch.cat([torch.addcmul(add[:, :1], keep[:, :1], initial.unsqueeze(1)), add[:, 1:]], 1)
    stride = 1
    while stride < add.shape[1]:
        later = keep[:, stride:]
        add = torch.cat([add[:, :stride], torch.addcmul(add[:, stride:], later, add[:, :-stride])], 1)
        keep = torch.cat([keep[:, :stride], later * keep[:, :-stride]], 1)
        stride *= 2
    return add
