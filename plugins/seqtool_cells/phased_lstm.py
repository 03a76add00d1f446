"""Phased LSTM. Neil et al. 2016, arXiv 1610.09513, eqs 6-10."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqtool.api import Cell, NonNegative, PartError, Positive, Probability, Size, Tree, position_dtype
from seqtool_cells.initialization import Initialization, add_recurrent_parameters
from seqtool_cells.interpolate import interpolate


class PhasedLSTMState(NamedTuple):
    """An LSTM's h and c, `[B, H]`, and the index t of the next step, `[B]`, int64."""

    h: Tensor
    c: Tensor
    t: Tensor


class PhasedLSTM(Cell):
    """Long short-term memory with a periodic time gate k: a unit updates only while its gate is open.

    Equation:
        phi = ((t - s) mod tau) / tau
        k = 2 phi / r for phi < r/2;  2 - 2 phi / r for r/2 <= phi < r;  leak phi otherwise
        h~, c~ = lstm(x, h, c);  c' = k c~ + (1 - k) c;  h' = k h~ + (1 - k) h

    Source: Neil et al. 2016, arXiv 1610.09513, eqs 6-10, without peepholes; t is the index of the step, from 0.

    When to use: sequences of hundreds of steps, or periodic signals: a closed unit keeps its state almost unchanged. In
    short sequences most units hardly open: raise `open_ratio`, to 0.5 for instance, or use `lstm`.

    The state is `PhasedLSTMState(h, c, t)`. The parameters of a unit, besides the weights of the LSTM, are log tau, s
    and log(r / (1 - r)).

    Args:
        input_size: I, the size of x.
        hidden_size: H, the size of h and of c.
        min_period: the smallest initial tau, in steps. The initial log tau is uniform between the logarithms of
            `min_period` and `max_period`, and the initial s is uniform in [0, tau].
        max_period: the largest initial tau, in steps.
        open_ratio: the initial r, the fraction of its period for which a unit is open. The default is the paper's, for
            sequences of hundreds of steps or more.
        leak: the slope of k while a unit is closed.
        initialization: glorot, glorot_by_gate, or uniform (PyTorch's).
        forget_bias: the initial bias of the forget gate, in bias_ih alone; ignored by "uniform".

    Raises:
        PartError: `min_period` exceeds `max_period`, or `open_ratio` is 0 or 1, whose logit is infinite.
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
            raise PartError(f"min_period {min_period} exceeds max_period {max_period}", option="min_period")
        if open_ratio in (0, 1):
            raise PartError(f"open_ratio is {open_ratio}", option="open_ratio", allowed="more than 0, less than 1")
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
        """See `Cell.step_masked`; closed units keep the unmasked h."""
        return self._step(x, state.h * factors, state)

    def _step(self, x: Tensor, read_h: Tensor, state: PhasedLSTMState) -> tuple[Tensor, PhasedLSTMState]:
        h, c, t = state
        new_h, new_c = torch.lstm_cell(x, (read_h, c), self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        k = self._time_gate(t)
        h = interpolate(h, new_h, k)
        return h, PhasedLSTMState(h, interpolate(c, new_c, k), t + 1)

    def gates(self, x: Tensor, fixed: Tree, state: PhasedLSTMState) -> dict[str, Tensor]:
        """See `Cell.gates`."""
        h, _, t = state
        sums = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        i, f, _, o = sums.chunk(4, 1)
        return {"input": i.sigmoid(), "forget": f.sigmoid(), "output": o.sigmoid(), "time": self._time_gate(t)}

    def _time_gate(self, t: Tensor) -> Tensor:
        """k at the step indices `t [B]`: `[B, H]`; computed in float32 or wider."""
        shift, log_period, ratio = (x.to(position_dtype(x)) for x in (self.shift, self.log_period, self.ratio))
        period, ratio = log_period.exp(), ratio.sigmoid()
        phase = torch.remainder(t.unsqueeze(1) - shift, period) / period
        rising = 2 * phase / ratio
        k = torch.where(rising < 1, rising, torch.where(rising < 2, 2 - rising, self.leak * phase))
        return k.to(self.shift.dtype)
