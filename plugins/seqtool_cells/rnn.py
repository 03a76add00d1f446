"""The simple recurrent network. Elman 1990."""

from typing import Literal

import torch
from torch import Tensor

from seqtool.api import Cell, Size, Tree, last_real
from seqtool_cells.initialization import Initialization, add_recurrent_parameters

STEPS = {"tanh": torch.rnn_tanh_cell, "relu": torch.rnn_relu_cell}
UNROLLS = {"tanh": torch.rnn_tanh, "relu": torch.rnn_relu}


class RNN(Cell):
    """A simple recurrent network.

    Equation:
        h' = tanh(W x + U h + b), or relu in the place of tanh

    Source: Elman 1990, Cognitive Science 14(2).

    When to use: to show what gates are for; it forgets after some ten steps.

    Args:
        input_size: I, the width of x.
        hidden_size: H, the width of h.
        nonlinearity: tanh or relu.
        initialization: glorot, glorot_by_gate (the same here), or uniform (torch's).
    """

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: Size,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        initialization: Initialization = "glorot",
    ) -> None:
        super().__init__()
        self.output_size = hidden_size
        self.nonlinearity = nonlinearity
        add_recurrent_parameters(self, input_size, hidden_size, 1, initialization)

    def start(self, batch_size: int, like: Tensor) -> tuple[Tree, Tensor]:
        """See `Cell.start`."""
        return (), like.new_zeros(batch_size, self.output_size)

    def step(self, x: Tensor, fixed: Tree, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Cell.step`."""
        cell = STEPS[self.nonlinearity]
        h = cell(x, state, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return h, h

    def unroll(self, x: Tensor, mask: Tensor, fixed: Tree, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Cell.unroll`. One call of torch's kernel; padding comes last, so no real output depends on it."""
        if not x.shape[1]:
            return x.new_zeros(x.shape[0], 0, self.output_size), state
        kernel = UNROLLS[self.nonlinearity]
        weights = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        first = state.unsqueeze(0)
        outputs, _ = kernel(x, first, weights, True, 1, 0.0, torch.is_grad_enabled(), False, True)
        outputs = outputs.masked_fill(~mask[:, :, None], 0)
        return outputs, last_real(outputs, mask, state)
