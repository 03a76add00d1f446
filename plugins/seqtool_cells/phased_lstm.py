"""An LSTM whose units open for moments only, each by its own rhythm. Neil et al. 2016, arXiv 1610.09513."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqtool.api import Cell, NonNegative, PartError, Positive, Probability, Size, Tree, position_dtype
from seqtool_cells.initialization import Initialization, add_recurrent_parameters
from seqtool_cells.mixing import mixed


class PhasedLSTMState(NamedTuple):
    """An LSTM's h and c, `[B, H]`, and the index t of the next step, `[B]`, int64."""

    h: Tensor
    c: Tensor
    t: Tensor


class PhasedLSTM(Cell):
    """Long short-term memory with a time gate k: a unit moves while its rhythm opens it, and rests else.

    Equation:
        phi = ((t - s) mod tau) / tau
        k = 2 phi / r where phi < r/2;  2 - 2 phi / r where phi < r;  leak phi else
        h~, c~ = lstm(x, h, c);  c' = k c~ + (1 - k) c;  h' = k h~ + (1 - k) h

    Source: Neil et al. 2016, arXiv 1610.09513, eqs 6-10, without peepholes; t is the index of the step, from 0.

    When to use: sequences of hundreds of steps, or signals with rhythms: a closed unit carries its state over nearly
    whole. On short ones most units hardly open, so raise `open_ratio` (0.5, say) or take the lstm.

    The state is `PhasedLSTMState(h, c, t)`. Learnt besides the lstm's weights, for each unit: log tau, s, and r as
    log(r / (1 - r)).

    Args:
        input_size: I, the width of x.
        hidden_size: H, the width of h and of c.
        min_period, max_period: between these tau starts, in steps, log-uniformly; s starts anywhere in tau.
        open_ratio: where r starts, the part of its period that a unit is open; the paper's is for sequences of
            hundreds of steps and more.
        leak: how much a closed unit moves.
        initialization: glorot, glorot_by_gate, or uniform (torch's).
        forget_bias: where the forget gate's bias starts, in bias_ih alone; ignored by "uniform".

    Raises:
        PartError: the periods are not in order, or the open ratio is 0 or 1, which cannot be learnt from.
    """

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: Size,
        min_period: Positive = 1.0,
        max_period: Positive = 20.0,
        open_ratio: Probability = 0.05,
        leak: NonNegative = 0.001,
        initialization: Initialization = "glorot",
        forget_bias: float = 1.0,
    ) -> None:
        super().__init__()
        if min_period > max_period:
            raise PartError(f"no period is from {min_period} to {max_period}", option="min_period")
        if open_ratio in (0, 1):
            raise PartError("a unit must open and close", option="open_ratio", allowed="more than 0, less than 1")
        self.output_size = hidden_size
        self.leak = leak
        add_recurrent_parameters(self, input_size, hidden_size, 4, initialization)
        if initialization != "uniform":
            self.bias_ih.data[hidden_size : 2 * hidden_size] = forget_bias
        log_period = torch.empty(hidden_size).uniform_(math.log(min_period), math.log(max_period))
        self.log_period = nn.Parameter(log_period)
        self.shift = nn.Parameter(torch.rand(hidden_size) * log_period.exp())
        self.ratio = nn.Parameter(torch.full((hidden_size,), math.log(open_ratio / (1 - open_ratio))))

    def start(self, batch_size: int, like: Tensor) -> tuple[Tree, PhasedLSTMState]:
        """See `Cell.start`."""
        h, c = (like.new_zeros(batch_size, self.output_size) for _ in range(2))
        return (), PhasedLSTMState(h, c, like.new_zeros(batch_size, dtype=torch.int64))

    def step(self, x: Tensor, fixed: Tree, state: PhasedLSTMState) -> tuple[Tensor, PhasedLSTMState]:
        """See `Cell.step`."""
        return self._step(x, state.h, state)

    def step_masked(
        self, x: Tensor, factors: Tensor, fixed: Tree, state: PhasedLSTMState
    ) -> tuple[Tensor, PhasedLSTMState]:
        """See `Cell.step_masked`; closed units carry h itself over."""
        return self._step(x, state.h * factors, state)

    def _step(self, x: Tensor, read: Tensor, state: PhasedLSTMState) -> tuple[Tensor, PhasedLSTMState]:
        h, c, t = state
        new_h, new_c = torch.lstm_cell(x, (read, c), self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        k = self._openness(t)
        h = mixed(h, new_h, k)
        return h, PhasedLSTMState(h, mixed(c, new_c, k), t + 1)

    def gates(self, x: Tensor, fixed: Tree, state: PhasedLSTMState) -> dict[str, Tensor]:
        """See `Cell.gates`."""
        h, _, t = state
        sums = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        i, f, _, o = sums.chunk(4, 1)
        return {"input": i.sigmoid(), "forget": f.sigmoid(), "output": o.sigmoid(), "time": self._openness(t)}

    def _openness(self, t: Tensor) -> Tensor:
        """k for the step indices `t [B]`: `[B, H]`, with positions in float32 at least."""
        shift, log_period, ratio = (x.to(position_dtype(x)) for x in (self.shift, self.log_period, self.ratio))
        period, ratio = log_period.exp(), ratio.sigmoid()
        phase = torch.remainder(t.unsqueeze(1) - shift, period) / period
        rising = 2 * phase / ratio
        k = torch.where(rising < 1, rising, torch.where(rising < 2, 2 - rising, self.leak * phase))
        return k.to(self.shift.dtype)
