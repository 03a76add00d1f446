"""A GRU with layer normalisation. Ba et al. 2016, arXiv 1607.06450."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqtool.api import Cell, Size, Tree
from seqtool_cells.initialization import Initialization, add_recurrent_parameters, init_candidate_bias
from seqtool_cells.interpolate import interpolate


class LayerNormGRU(Cell):
    """A gated recurrent unit with layer normalisation of its input and recurrent projections.

    Equation:
        [r, z] = sigma(LN(W x) + LN(U h)), normalised jointly;  n = tanh(LN(W_n x) + r LN(U_n h))
        h' = (1 - z) n + z h
        LN(v) = gain (v - mean(v)) / sqrt(var(v) + 1e-5) + bias, separate parameters each

    Source: Ba et al. 2016, arXiv 1607.06450, supplementary material; our z is their 1 - z, as in `gru`.

    When to use: as `layer_norm_lstm`, with one state tensor and fewer weights. It loops over steps, so it is slower
    than the kernel of `gru`.

    The initial bias of n is random: with zero, leading blanks keep the state at exactly zero, where the slope of LN is
    316. The state is h. Rows of the stacked weights are the gates r, z, n; bias_ih and bias_hh are those of LN.

    Args:
        input_size: I, the size of x.
        hidden_size: H, the size of h.
        initialization: glorot, glorot_by_gate, or uniform (PyTorch's).
    """

    def __init__(self, input_size: int, *, hidden_size: Size, initialization: Initialization = "glorot") -> None:
        super().__init__()
        self.output_size = hidden_size
        add_recurrent_parameters(self, input_size, hidden_size, 3, initialization)
        if initialization != "uniform":
            init_candidate_bias(self.bias_ih.data[2 * hidden_size :], hidden_size)
        self.gain_ih, self.gain_hh = (nn.Parameter(torch.ones(3 * hidden_size)) for _ in range(2))

    def start(self, batch_size: int, like: Tensor) -> tuple[Tree, Tensor]:
        """See `Cell.start`."""
        return (), like.new_zeros(batch_size, self.output_size)

    def step(self, x: Tensor, fixed: Tree, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Cell.step`."""
        return self._update(self._gates(x, state), state)

    def step_masked(self, x: Tensor, factors: Tensor, fixed: Tree, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Cell.step_masked`; the update interpolates with the unmasked h."""
        return self._update(self._gates(x, state * factors), state)

    def gates(self, x: Tensor, fixed: Tree, state: Tensor) -> dict[str, Tensor]:
        """See `Cell.gates`."""
        r, z, _, _ = self._gates(x, state)
        return {"reset": r, "update": z}

    @staticmethod
    def _update(gates: tuple[Tensor, Tensor, Tensor, Tensor], h: Tensor) -> tuple[Tensor, Tensor]:
        r, z, n_x, n_h = gates
        h = interpolate(torch.tanh(n_x + r * n_h), h, z)
        return h, h

    def _gates(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """`(r, z, LN(W_n x), LN(U_n h))`."""
        rz_x, n_x = self._normalize(F.linear(x, self.weight_ih), self.gain_ih, self.bias_ih)
        rz_h, n_h = self._normalize(F.linear(h, self.weight_hh), self.gain_hh, self.bias_hh)
        r, z = (rz_x + rz_h).sigmoid().chunk(2, 1)
        return r, z, n_x, n_h

    def _normalize(self, projection: Tensor, gain: Tensor, bias: Tensor) -> list[Tensor]:
        """The layer-normalised rows of r and z, jointly, and those of n."""
        sizes = (2 * self.output_size, self.output_size)
        parts = zip(sizes, projection.split(sizes, 1), gain.split(sizes), bias.split(sizes), strict=True)
        return [F.layer_norm(part, (size,), g, b) for size, part, g, b in parts]
