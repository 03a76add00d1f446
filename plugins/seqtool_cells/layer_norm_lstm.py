"""An LSTM with layer normalisation. Ba et al. 2016, arXiv 1607.06450."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqtool.api import Cell, Size, Tree
from seqtool_cells.initialization import Initialization, add_recurrent_parameters, init_candidate_bias
from seqtool_cells.lstm_state import LSTMState


class LayerNormLSTM(Cell):
    """Long short-term memory with layer normalisation of its input and recurrent projections, and of c in the output.

    Equation:
        [i, f, g, o] = LN(W x) + LN(U h), normalised jointly
        c' = sigma(f) c + sigma(i) tanh(g);  h' = sigma(o) tanh(LN(c'))
        LN(v) = gain (v - mean(v)) / sqrt(var(v) + 1e-5) + bias, separate parameters each

    Source: Ba et al. 2016, arXiv 1607.06450, supplementary material, without its redundant third bias.

    When to use: long sequences, or learning rates that saturate the gates of `lstm`. Each step of each row is
    normalised independently, so the rest of the batch and padding have no effect. It loops over steps, so it is slower
    than the kernel of `lstm`.

    The initial bias of g is random: with zero, leading blanks keep the state at exactly zero, where the slope of LN is
    316. The state is `LSTMState(h, c)`. Rows of the stacked weights are the gates i, f, g, o; bias_ih and bias_hh are
    those of LN.

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
            init_candidate_bias(self.bias_ih.data[2 * hidden_size : 3 * hidden_size], hidden_size)
        self.gain_ih, self.gain_hh = (nn.Parameter(torch.ones(4 * hidden_size)) for _ in range(2))
        self.norm = nn.LayerNorm(hidden_size)

    def start(self, batch_size: int, like: Tensor) -> tuple[Tree, LSTMState]:
        """See `Cell.start`."""
        h, c = (like.new_zeros(batch_size, self.output_size) for _ in range(2))
        return (), LSTMState(h, c)

    def step(self, x: Tensor, fixed: Tree, state: LSTMState) -> tuple[Tensor, LSTMState]:
        """See `Cell.step`."""
        i, f, g, o = self._projections(x, state.h)
        c = f.sigmoid() * state.c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * self.norm(c).tanh()
        return h, LSTMState(h, c)

    def gates(self, x: Tensor, fixed: Tree, state: LSTMState) -> dict[str, Tensor]:
        """See `Cell.gates`."""
        i, f, _, o = self._projections(x, state.h)
        return {"input": i.sigmoid(), "forget": f.sigmoid(), "output": o.sigmoid()}

    def _projections(self, x: Tensor, h: Tensor) -> tuple[Tensor, ...]:
        """The arguments of the nonlinearities: i, f, g, o, `[B, H]` each."""
        size = self.gain_ih.shape
        from_x = F.layer_norm(F.linear(x, self.weight_ih), size, self.gain_ih, self.bias_ih)
        from_h = F.layer_norm(F.linear(h, self.weight_hh), size, self.gain_hh, self.bias_hh)
        return (from_x + from_h).chunk(4, 1)
