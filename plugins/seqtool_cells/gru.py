"""Gated recurrent unit. Cho et al. 2014, arXiv 1406.1078."""

import torch
from torch import Tensor
from torch.nn import functional as F

from seqtool.api import Cell, Size, Tree, accelerated, last_real
from seqtool_cells.initialization import Initialization, add_recurrent_parameters
from seqtool_cells.interpolate import interpolate


class GRU(Cell):
    """Gated recurrent unit: one state, updated by interpolation.

    Equation:
        r, z = sigma(W x + U h + b), separate weights each;  n = tanh(W_n x + b_in + r (U_n h + b_hn))
        h' = (1 - z) n + z h

    Source: Cho et al. 2014, arXiv 1406.1078, eqs 5-8, with the reset gate after the product, as in PyTorch.

    When to use: small data. It has one state tensor instead of the LSTM's two and is about as accurate.

    The state is h. Rows of the stacked weights are the gates r, z, n, as in PyTorch.

    Args:
        input_size: I, the size of x.
        hidden_size: H, the size of h.
        initialization: glorot, glorot_by_gate, or uniform (PyTorch's).
    """

    def __init__(self, input_size: int, *, hidden_size: Size, initialization: Initialization = "glorot") -> None:
        super().__init__()
        self.output_size = hidden_size
        add_recurrent_parameters(self, input_size, hidden_size, 3, initialization)

    def start(self, batch_size: int, like: Tensor) -> tuple[Tree, Tensor]:
        """See `Cell.start`."""
        return (), like.new_zeros(batch_size, self.output_size)

    def step(self, x: Tensor, fixed: Tree, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Cell.step`."""
        h = torch.gru_cell(x, state, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return h, h

    def step_masked(self, x: Tensor, factors: Tensor, fixed: Tree, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Cell.step_masked`; the update interpolates with the unmasked h."""
        from_x, from_h = self._projections(x, state * factors)
        r, z = (from_x[:2] + from_h[:2]).sigmoid()
        h = interpolate(torch.tanh(from_x[2] + r * from_h[2]), state, z)
        return h, h

    def gates(self, x: Tensor, fixed: Tree, state: Tensor) -> dict[str, Tensor]:
        """See `Cell.gates`."""
        from_x, from_h = self._projections(x, state)
        r, z = (from_x[:2] + from_h[:2]).sigmoid()
        return {"reset": r, "update": z}

    def _projections(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """`(W x + b, U h + b)` of the gates r, z, n: `[3, B, H]` each."""
        arguments = (x, self.weight_ih, self.bias_ih), (h, self.weight_hh, self.bias_hh)
        from_x, from_h = (F.linear(*given).unflatten(1, (3, -1)).movedim(1, 0) for given in arguments)
        return from_x, from_h

    @accelerated
    def unroll(self, x: Tensor, mask: Tensor, fixed: Tree, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Cell.unroll`. One call of PyTorch's kernel; padding comes last, so no real output depends on it."""
        if not x.shape[1]:
            return x.new_zeros(x.shape[0], 0, self.output_size), state
        weights = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        # cuDNN has no gradient after train=False, which has no other effect without dropout
        outputs, _ = torch.gru(x, state.unsqueeze(0), weights, True, 1, 0.0, torch.is_grad_enabled(), False, True)
        outputs = outputs.masked_fill(~mask[:, :, None], 0)
        return outputs, last_real(outputs, mask, state)
