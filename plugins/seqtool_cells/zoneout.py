"""Zoneout: units keep their last value by chance. Krueger et al. 2017, arXiv 1606.01305."""

import torch
from torch import Tensor

from seqtool.api import Cell, Factory, Probability, Tree, state_layout, tree
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
        self.output_size = self.cell.output_size
        layout = state_layout(self.cell)
        self.rates = {place: output if place == layout.output else state for place in layout.features}

    def start(self, batch_size: int, like: Tensor) -> tuple[Tree, Tree]:
        """See `Cell.start`."""
        return self.cell.start(batch_size, like)

    def output(self, state: Tree) -> Tensor:
        """See `Cell.output`."""
        return self.cell.output(state)

    def features(self, state: Tree) -> Tree:
        """See `Cell.features`."""
        return self.cell.features(state)

    def step(self, x: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        """See `Cell.step`."""
        return self._mix(state, self.cell.step(x, fixed, state)[1])

    def step_masked(self, x: Tensor, factors: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        """See `Cell.step_masked`; what is kept is whole."""
        return self._mix(state, self.cell.step_masked(x, factors, fixed, state)[1])

    def scale_output(self, state: Tree, factors: Tensor) -> Tree:
        """See `Cell.scale_output`."""
        return self.cell.scale_output(state, factors)

    def gates(self, x: Tensor, fixed: Tree, state: Tree) -> dict[str, Tensor]:
        """See `Cell.gates`; those of the cell within."""
        return self.cell.gates(x, fixed, state)

    def _mix(self, before: Tree, after: Tree) -> tuple[Tensor, Tree]:
        mixed_leaves = tree.leaves(after)
        old = tree.leaves(before)
        for place, rate in self.rates.items():
            mixed_leaves[place] = self._keep(old[place], mixed_leaves[place], rate)
        state = tree.rebuild(after, mixed_leaves)
        return self.output(state), state

    def _keep(self, old: Tensor, new: Tensor, rate: float) -> Tensor:
        if not rate:
            return new
        return torch.where(torch.rand_like(new) < rate, old, new) if self.training else mixed(new, old, rate)
