"""Zoneout. Krueger et al. 2017, arXiv 1606.01305, section 3."""

import torch
from torch import Tensor

from seqtool.api import Cell, Factory, Probability, Tree, state_layout, tree
from seqtool_cells.interpolate import interpolate
from seqtool_cells.wrapper import Wrapper


class Zoneout(Wrapper):
    """A cell whose units keep their last value with some probability, drawn for each unit and step.

    Equation:
        s_t = d s_{t-1} + (1 - d) cell(x_t, s_{t-1});  d ~ Bernoulli(z) in training, d = z in evaluation

    Source: Krueger et al. 2017, arXiv 1606.01305, section 3: z_h for the output h, z_c for the rest of the state.

    When to use: small data, as `variational_dropout`, where the state must persist over many steps: units are kept and
    not zeroed. The defaults are the paper's for character-level text; use a smaller `state` for short sequences. It
    replaces the cell's kernel or scan with a loop over steps, in evaluation too.

    Args:
        input_size: I, the size of x.
        cell: the wrapped cell.
        output: z_h, the probability that a unit of the output is kept.
        state: z_c, the probability that a unit of the rest of the state, such as an LSTM's c, is kept.
    """

    def __init__(
        self, input_size: int, *, cell: Factory[Cell], output: Probability = 0.05, state: Probability = 0.5
    ) -> None:
        super().__init__(cell(input_size))
        layout = state_layout(self.cell)
        self.rates = {leaf: output if leaf == layout.output else state for leaf in layout.features}

    def step(self, x: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        """See `Cell.step`."""
        return self._zone_out(state, self.cell.step(x, fixed, state)[1])

    def step_masked(self, x: Tensor, factors: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        """See `Cell.step_masked`; kept units are not masked."""
        return self._zone_out(state, self.cell.step_masked(x, factors, fixed, state)[1])

    def _zone_out(self, old: Tree, new: Tree) -> tuple[Tensor, Tree]:
        """`(output, state)` of the states before and after a step of the wrapped cell."""
        old_leaves, leaves = tree.leaves(old), tree.leaves(new)
        for index, rate in self.rates.items():
            leaves[index] = self._keep(old_leaves[index], leaves[index], rate)
        state = tree.rebuild(new, leaves)
        return self.output(state), state

    def _keep(self, old: Tensor, new: Tensor, rate: float) -> Tensor:
        if not rate:
            return new
        return torch.where(torch.rand_like(new) < rate, old, new) if self.training else interpolate(new, old, rate)
