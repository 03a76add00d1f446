"""torch's LSTM over a whole sequence, also in mixed precision on processors that do not support it.

On a processor without the instructions (AVX2 only), oneDNN has no LSTM in bfloat16 or float16, and torch raises "could
not create a primitive descriptor" under autocast. The sequence is then computed in float32.
"""

import functools
from collections.abc import Sequence

import torch
from torch import Tensor


def torch_lstm(x: Tensor, state: tuple[Tensor, Tensor], weights: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """One layer, one direction, batch first.

    Args:
        x: `[B, S, I]`.
        state: (h, c) before the first step, `[B, H]` each.
        weights: weight_ih `[4H, I]`, weight_hh `[4H, H]`, bias_ih `[4H]`, bias_hh `[4H]`, gates i, f, g, o.

    Returns:
        Outputs `[B, S, H]`, the last h `[B, H]`, the last c `[B, H]`.
    """
    mixed = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None
    if x.device.type == "cpu" and mixed is not None and lstm_needs_float32(mixed):
        with torch.autocast("cpu", enabled=False):
            return _unrolled(x.float(), [part.float() for part in state], [weight.float() for weight in weights])
    return _unrolled(x, state, weights)


@functools.cache
def lstm_needs_float32(dtype: torch.dtype) -> bool:
    """Whether torch has no LSTM under autocast to `dtype` on this processor. Tested once per process."""
    float32 = functools.partial(torch.zeros, dtype=torch.float32, device="cpu")
    x, h = float32(1, 1, 1), float32(1, 1)
    weights = [float32(shape, requires_grad=True) for shape in ((4, 1), (4, 1), (4,), (4,))]
    try:
        with torch.enable_grad(), torch.autocast("cpu", dtype=dtype):
            _unrolled(x, (h, h), weights)[0].sum().backward()  # some processors support only the forward pass
    except RuntimeError:
        return True
    return False


def _unrolled(x: Tensor, state: Sequence[Tensor], weights: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    first = [part.unsqueeze(0) for part in state]
    # cuDNN computes no gradients with train=False; without dropout the flag has no other effect
    outputs, h, c = torch.lstm(x, first, list(weights), True, 1, 0.0, torch.is_grad_enabled(), False, True)
    return outputs, h.squeeze(0), c.squeeze(0)
