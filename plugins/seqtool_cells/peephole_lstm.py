"""An LSTM whose gates see its inner state. Gers & Schmidhuber 2000; Gers et al. 2002."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqtool.api import Cell, Size, Tree
from seqtool_cells.initialization import Initialization, add_recurrent_parameters
from seqtool_cells.state import LSTMState


class PeepholeLSTM(Cell):
    """Long short-term memory whose gates look at c, each unit at its own.

    Equation:
        i, f = sigma(W x + U h + p c + b), each its own;  g = tanh(W x + U h + b)
        c' = f c + i g;  o = sigma(W x + U h + p c' + b);  h' = o tanh(c')

    Source: Gers & Schmidhuber 2000, "Recurrent nets that time and count"; Gers et al. 2002, JMLR 3, section 3; with
    tanh on both sides as in Graves 2013, arXiv 1308.0850, eqs 7-11.

    When to use: where exact counts or distances in time matter; Gers & Schmidhuber tell spikes 49 steps apart from
    spikes 50 apart. Elsewhere expect no gain (Greff et al. 2015, arXiv 1503.04069), and a slower loop in the place of
    torch's kernel.

    The state is `LSTMState(h, c)`. Rows of the stacked weights are the gates i, f, g, o; the peepholes p are those of
    i, f, o and start at zero, where the cell is the lstm.

    Args:
        input_size: I, the width of x.
        hidden_size: H, the width of h and of c.
        initialization: glorot, glorot_by_gate, or uniform (torch's).
        forget_bias: where the forget gate's bias starts, in bias_ih alone; ignored by "uniform".
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
        self.peepholes = nn.Parameter(torch.zeros(3, hidden_size))

    def start(self, batch_size: int, like: Tensor) -> tuple[Tree, LSTMState]:
        """See `Cell.start`."""
        h, c = (like.new_zeros(batch_size, self.output_size) for _ in range(2))
        return (), LSTMState(h, c)

    def step(self, x: Tensor, fixed: Tree, state: LSTMState) -> tuple[Tensor, LSTMState]:
        """See `Cell.step`."""
        _, _, o, c = self._step(x, state)
        h = o * c.tanh()
        return h, LSTMState(h, c)

    def gates(self, x: Tensor, fixed: Tree, state: LSTMState) -> dict[str, Tensor]:
        """See `Cell.gates`."""
        i, f, o, _ = self._step(x, state)
        return {"input": i, "forget": f, "output": o}

    def _step(self, x: Tensor, state: LSTMState) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """`(i, f, o, c')`."""
        h, c = state
        sums = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        i, f, g, o = sums.chunk(4, 1)
        i, f = (i + self.peepholes[0] * c).sigmoid(), (f + self.peepholes[1] * c).sigmoid()
        c = f * c + i * g.tanh()
        return i, f, (o + self.peepholes[2] * c).sigmoid(), c
