"""Zoneout: units keep their last value by chance. Krueger et al. 2017, arXiv 1606.01305."""

import torch
from torch import Tensor

from seqtool.api import Cell, Factory, Probability, Tensors
from seqtool_cells.mixing import mixed


class Zoneout(Cell):
    """A cell whose units, each by chance and at each step anew, keep their value instead of taking the new one.

    Equation:
        s_t = d s_{t-1} + (1 - d) cell(x_t, s_{t-1});  d ~ Bernoulli(z) in training, d = z else

    Source: Krueger et al. 2017, arXiv 1606.01305, section 3: z_h for the output h, z_c for the rest of the state.

    When to use: small data, as `variational_dropout`, where the state should last: what is kept is kept whole and not
    zeroed. The defaults are the paper's for text by characters; short tasks want a smaller `state`. It gives up the
    cell's fast kernel or scan, in evaluation too.

    Args:
        input_size: I, the width of x.
        cell: the cell within.
        output: z_h, the probability that a unit of the output is kept.
        state: z_c, the probability that a unit of the other tensors of the state is; an LSTM's c.
    """

    def __init__(
        self, input_size: int, *, cell: Factory[Cell], output: Probability = 0.05, state: Probability = 0.5
    ) -> None:
        super().__init__()
        self.cell = cell(input_size)
        self.output_size, self.output_index = self.cell.output_size, self.cell.output_index
        self.state_sizes, self.derived = self.cell.state_sizes, self.cell.derived
        self.num_fixed = self.cell.num_fixed
        rates = [state] * len(self.state_sizes)
        rates[self.output_index] = output
        for index in self.derived:
            rates[index] = 0.0
        self.rates = tuple(rates)

    def start(self, batch_size: int, like: Tensor) -> tuple[Tensors, Tensors]:
        """See `Cell.start`."""
        return self.cell.start(batch_size, like)

    def step(self, x: Tensor, fixed: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        """See `Cell.step`."""
        return self._mix(state, self.cell.step(x, fixed, state)[1])

    def step_masked(self, x: Tensor, factors: Tensor, fixed: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        """See `Cell.step_masked`; what is kept is whole."""
        return self._mix(state, self.cell.step_masked(x, factors, fixed, state)[1])

    def gates(self, x: Tensor, fixed: Tensors, state: Tensors) -> dict[str, Tensor]:
        """See `Cell.gates`; those of the cell within."""
        return self.cell.gates(x, fixed, state)

    def _mix(self, before: Tensors, after: Tensors) -> tuple[Tensor, Tensors]:
        kept = zip(before, after, self.rates, strict=True)
        state = tuple(self._keep(old, new, rate) if rate else new for old, new, rate in kept)
        return state[self.output_index], state

    def _keep(self, old: Tensor, new: Tensor, rate: float) -> Tensor:
        return torch.where(torch.rand_like(new) < rate, old, new) if self.training else mixed(new, old, rate)
