"""A GRU with layer normalisation. Ba et al. 2016, arXiv 1607.06450."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqtool.api import Cell, Size, Tree
from seqtool_cells.initialization import Initialization, add_recurrent_parameters, leave_zero
from seqtool_cells.mixing import mixed


class LayerNormGRU(Cell):
    """Gated recurrent unit whose sums, from the input and from h apart, are normalised.

    Equation:
        [r, z] = sigma(LN(W x) + LN(U h)), over both at once;  n = tanh(LN(W_n x) + r LN(U_n h))
        h' = (1 - z) n + z h
        LN(v) = gain (v - mean(v)) / sqrt(var(v) + 1e-5) + bias, each its own

    Source: Ba et al. 2016, arXiv 1607.06450, supplementary material; z keeps the old h as in the gru
    here, where theirs takes the new.

    When to use: as `layer_norm_lstm`, for those who take the gru rather than the lstm: one state, fewer weights.
    Training is a loop over steps, slower than the gru's kernel.

    The bias of n does not start at zero: it would leave the state of a source that begins with blanks at exactly zero,
    where the slope of LN is 316.

    The state is h. Rows of the stacked weights are the gates r, z, n; bias_ih and bias_hh are those of LN.

    Args:
        input_size: I, the width of x.
        hidden_size: H, the width of h.
        initialization: glorot, glorot_by_gate, or uniform (torch's).
    """

    def __init__(self, input_size: int, *, hidden_size: Size, initialization: Initialization = "glorot") -> None:
        super().__init__()
        self.output_size = hidden_size
        add_recurrent_parameters(self, input_size, hidden_size, 3, initialization)
        if initialization != "uniform":
            leave_zero(self.bias_ih.data[2 * hidden_size :], hidden_size)
        self.gain_ih, self.gain_hh = (nn.Parameter(torch.ones(3 * hidden_size)) for _ in range(2))

    def start(self, batch_size: int, like: Tensor) -> tuple[Tree, Tensor]:
        """See `Cell.start`."""
        return (), like.new_zeros(batch_size, self.output_size)

    def step(self, x: Tensor, fixed: Tree, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Cell.step`."""
        return self._step(self._sums(x, state), state)

    def step_masked(self, x: Tensor, factors: Tensor, fixed: Tree, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Cell.step_masked`; h itself is carried over."""
        return self._step(self._sums(x, state * factors), state)

    def gates(self, x: Tensor, fixed: Tree, state: Tensor) -> dict[str, Tensor]:
        """See `Cell.gates`."""
        r, z, _, _ = self._sums(x, state)
        return {"reset": r, "update": z}

    @staticmethod
    def _step(sums: tuple[Tensor, Tensor, Tensor, Tensor], h: Tensor) -> tuple[Tensor, Tensor]:
        r, z, seen, remembered = sums
        h = mixed(torch.tanh(seen + r * remembered), h, z)
        return h, h

    def _sums(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """`(r, z, LN(W_n x), LN(U_n h))`."""
        seen, seen_new = self._normalized(F.linear(x, self.weight_ih), self.gain_ih, self.bias_ih)
        remembered, remembered_new = self._normalized(F.linear(h, self.weight_hh), self.gain_hh, self.bias_hh)
        r, z = (seen + remembered).sigmoid().chunk(2, 1)
        return r, z, seen_new, remembered_new

    def _normalized(self, sums: Tensor, gain: Tensor, bias: Tensor) -> list[Tensor]:
        """The normalised sums of the two gates, and of n."""
        split = (2 * self.output_size, self.output_size)
        parts = zip(split, sums.split(split, 1), gain.split(split), bias.split(split), strict=True)
        return [F.layer_norm(part, (size,), g, b) for size, part, g, b in parts]
