"""An LSTM with peephole connections. Gers & Schmidhuber 2000; Gers et al. 2002."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqtool.api import Cell, Size, Tree
from seqtool_cells.initialization import Initialization, add_recurrent_parameters
from seqtool_cells.lstm_state import LSTMState


class PeepholeLSTM(Cell):
    """Long short-term memory with peephole connections: the gates of each unit read its c.

    Equation:
        i, f = sigma(W x + U h + p c + b), separate weights each;  g = tanh(W x + U h + b)
        c' = f c + i g;  o = sigma(W x + U h + p c' + b);  h' = o tanh(c')

    Source: Gers & Schmidhuber 2000, "Recurrent nets that time and count"; Gers et al. 2002, JMLR 3, section 3; with
    both tanh as in Graves 2013, arXiv 1308.0850, eqs 7-11.

    When to use: tasks that need exact counts or time intervals; in Gers & Schmidhuber it distinguishes spikes 49 steps
    apart from spikes 50 steps apart. Elsewhere expect no gain (Greff et al. 2015, arXiv 1503.04069). It loops over
    steps, so it is slower than the kernel of `lstm`.

    The state is `LSTMState(h, c)`. Rows of the stacked weights are the gates i, f, g, o. The peepholes p, rows i, f,
    o, are initially zero, which makes the cell an `lstm`.

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
        self.peepholes = nn.Parameter(torch.zeros(3, hidden_size))

    def start(self, batch_size: int, like: Tensor) -> tuple[Tree, LSTMState]:
        """See `Cell.start`."""
        h, c = (like.new_zeros(batch_size, self.output_size) for _ in range(2))
        return (), LSTMState(h, c)

    def step(self, x: Tensor, fixed: Tree, state: LSTMState) -> tuple[Tensor, LSTMState]:
        """See `Cell.step`."""
        _, _, o, c = self._gates(x, state)
        h = o * c.tanh()
        return h, LSTMState(h, c)

    def gates(self, x: Tensor, fixed: Tree, state: LSTMState) -> dict[str, Tensor]:
        """See `Cell.gates`."""
        i, f, o, _ = self._gates(x, state)
        return {"input": i, "forget": f, "output": o}

    def _gates(self, x: Tensor, state: LSTMState) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """`(i, f, o, c')`."""
        h, c = state
        sums = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        i, f, g, o = sums.chunk(4, 1)
        i, f = (i + self.peepholes[0] * c).sigmoid(), (f + self.peepholes[1] * c).sigmoid()
        c = f * c + i * g.tanh()
        return i, f, (o + self.peepholes[2] * c).sigmoid(), c
