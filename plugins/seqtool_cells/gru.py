"""Gated recurrent unit. Cho et al. 2014, arXiv 1406.1078."""

import torch
from torch import Tensor
from torch.nn import functional as F

from seqtool.api import Cell, Size, Tree, accelerated, last_real
from seqtool_cells.initialization import Initialization, add_recurrent_parameters
from seqtool_cells.mixing import mixed


class GRU(Cell):
    """Gated recurrent unit: one state, updated by interpolation.

    Equation:
        r, z = sigma(W x + U h + b), each its own;  n = tanh(W_n x + b_in + r (U_n h + b_hn))
        h' = (1 - z) n + z h

    Source: Cho et al. 2014, arXiv 1406.1078, eqs 5-8, with the reset gate after the product, as in torch.

    When to use: the usual choice for small data: one state fewer than the LSTM, about as good.

    The state is h. Rows of the stacked weights are the gates r, z, n, torch's own layout.

    Args:
        input_size: I, the width of x.
        hidden_size: H, the width of h.
        initialization: glorot, glorot_by_gate, or uniform (torch's).
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
        """See `Cell.step_masked`; h itself is carried over."""
        seen, remembered = self._sums(x, state * factors)
        r, z = (seen[:2] + remembered[:2]).sigmoid()
        h = mixed(torch.tanh(seen[2] + r * remembered[2]), state, z)
        return h, h

    def gates(self, x: Tensor, fixed: Tree, state: Tensor) -> dict[str, Tensor]:
        """See `Cell.gates`."""
        seen, remembered = self._sums(x, state)
        r, z = (seen[:2] + remembered[:2]).sigmoid()
        return {"reset": r, "update": z}

    def _sums(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """What the input and what h adds to r, z and n: `[3, B, H]` each."""
        sides = (x, self.weight_ih, self.bias_ih), (h, self.weight_hh, self.bias_hh)
        seen, remembered = (F.linear(*side).unflatten(1, (3, -1)).movedim(1, 0) for side in sides)
        return seen, remembered

    @accelerated
    def unroll(self, x: Tensor, mask: Tensor, fixed: Tree, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Cell.unroll`. One call of torch's kernel; padding comes last, so no real output depends on it."""
        if not x.shape[1]:
            return x.new_zeros(x.shape[0], 0, self.output_size), state
        weights = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        first = state.unsqueeze(0)
        # cuDNN refuses a gradient of what was computed with train=False; without dropout it has no other effect
        outputs, _ = torch.gru(x, first, weights, True, 1, 0.0, torch.is_grad_enabled(), False, True)
        outputs = outputs.masked_fill(~mask[:, :, None], 0)
        return outputs, last_real(outputs, mask, state)
