"""Long short-term memory. Hochreiter & Schmidhuber 1997; with forget gates, Gers et al. 2000."""

import torch
from torch import Tensor
from torch.nn import functional as F

from seqtool.api import Cell, Size, Tree, accelerated, known_full, last_real, torch_lstm
from seqtool_cells.initialization import Initialization, add_recurrent_parameters
from seqtool_cells.lstm_state import LSTMState

SATURATING_WEIGHT = 1e4


class LSTM(Cell):
    """Long short-term memory: a gated cell state c and the output h.

    Equation:
        i, f, o = sigma(W x + U h + b), separate weights each;  g = tanh(W x + U h + b)
        c' = f c + i g;  h' = o tanh(c')

    Source: Hochreiter & Schmidhuber 1997, Neural Computation 9(8); forget gate: Gers et al. 2000, ibid. 12(10).

    When to use: the default, in particular for long sequences: c keeps information that a GRU must overwrite in h.

    The state is `LSTMState(h, c)`. Rows of the stacked weights are the gates i, f, g, o, as in PyTorch.

    Args:
        input_size: I, the size of x.
        hidden_size: H, the size of h and of c.
        initialization: glorot, glorot_by_gate, or uniform (PyTorch's).
        forget_bias: the initial bias of the forget gate, in bias_ih alone; ignored by "uniform".
    """

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: Size,
        initialization: Initialization = "glorot",
        forget_bias: float = 1.0,
    ) -> None:
        super().__init__()
        self.output_size = hidden_size
        add_recurrent_parameters(self, input_size, hidden_size, 4, initialization)
        if initialization != "uniform":
            self.bias_ih.data[hidden_size : 2 * hidden_size] = forget_bias

    def start(self, batch_size: int, like: Tensor) -> tuple[Tree, LSTMState]:
        """See `Cell.start`."""
        h, c = (like.new_zeros(batch_size, self.output_size) for _ in range(2))
        return (), LSTMState(h, c)

    def step(self, x: Tensor, fixed: Tree, state: LSTMState) -> tuple[Tensor, LSTMState]:
        """See `Cell.step`."""
        h, c = torch.lstm_cell(x, state, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return h, LSTMState(h, c)

    def gates(self, x: Tensor, fixed: Tree, state: LSTMState) -> dict[str, Tensor]:
        """See `Cell.gates`."""
        sums = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(state.h, self.weight_hh, self.bias_hh)
        i, f, _, o = sums.chunk(4, 1)
        return {"input": i.sigmoid(), "forget": f.sigmoid(), "output": o.sigmoid()}

    @accelerated
    def unroll(self, x: Tensor, mask: Tensor, fixed: Tree, state: LSTMState) -> tuple[Tensor, LSTMState]:
        """See `Cell.unroll`. One call of PyTorch's kernel.

        A further input column is 1 at padding. Its weights close the input gate and open the forget gate, so c is kept.
        """
        if not x.shape[1]:
            return x.new_zeros(x.shape[0], 0, self.output_size), state
        weight_ih, full = self.weight_ih, known_full(mask)
        if not full:
            gate = (self.output_size, 1)  # filled on the device: copying a list there would wait for it
            closed = weight_ih.new_full(gate, -SATURATING_WEIGHT)
            column = torch.cat([closed, -closed, weight_ih.new_zeros(2 * self.output_size, 1)])
            weight_ih = torch.cat([weight_ih, column], 1)
            padding = ~mask[:, :, None]
            x = torch.cat([x.masked_fill(padding, 0), padding.to(x.dtype)], 2)
        weights = (weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        outputs, _, c = torch_lstm(x, state, weights)
        if not full:
            outputs = outputs.masked_fill(~mask[:, :, None], 0)
        return outputs, LSTMState(last_real(outputs, mask, state.h), c)
