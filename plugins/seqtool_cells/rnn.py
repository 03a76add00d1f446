"""The simple recurrent network. Elman 1990, Cognitive Science 14(2)."""

from typing import Literal

import torch
from torch import Tensor

from seqtool.api import Cell, Size, Tree, last_real
from seqtool_cells.initialization import Initialization, add_recurrent_parameters

STEP_FUNCTIONS = {"tanh": torch.rnn_tanh_cell, "relu": torch.rnn_relu_cell}
UNROLL_FUNCTIONS = {"tanh": torch.rnn_tanh, "relu": torch.rnn_relu}


class RNN(Cell):
    """A simple recurrent network, without gates.

    Equation:
        h' = tanh(W x + U h + b), or relu instead of tanh

    Source: Elman 1990, Cognitive Science 14(2).

    When to use: as a baseline without gates; it forgets after about ten steps.

    Args:
        input_size: I, the size of x.
        hidden_size: H, the size of h.
        nonlinearity: tanh or relu.
        initialization: glorot, glorot_by_gate (the same here), or uniform (PyTorch's).
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
        cell = STEP_FUNCTIONS[self.nonlinearity]
        h = cell(x, state, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return h, h

    def unroll(self, x: Tensor, mask: Tensor, fixed: Tree, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Cell.unroll`. One call of PyTorch's kernel; padding comes last, so no real output depends on it."""
        if not x.shape[1]:
            return x.new_zeros(x.shape[0], 0, self.output_size), state
        kernel = UNROLL_FUNCTIONS[self.nonlinearity]
        weights = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        outputs, _ = kernel(x, state.unsqueeze(0), weights, True, 1, 0.0, torch.is_grad_enabled(), False, True)
        outputs = outputs.masked_fill(~mask[:, :, None], 0)
        return outputs, last_real(outputs, mask, state)
