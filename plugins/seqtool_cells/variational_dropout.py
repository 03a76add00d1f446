"""Variational dropout. Gal & Ghahramani 2016, arXiv 1512.05287, section 4.1."""

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

from seqtool.api import Cell, Factory, Probability, Tree
from seqtool_cells.wrapper import Wrapper


class DropoutFixed(NamedTuple):
    """The masks of the input `[B, I]` and of the last output `[B, H]`, and the `fixed` of the wrapped cell."""

    input_mask: Tensor
    output_mask: Tensor
    cell: Tree


class VariationalDropout(Wrapper):
    """A cell whose input and last output are multiplied by dropout masks drawn once per sequence, in training alone.

    Equation:
        h_t = cell(m_x x_t, m_h h_{t-1});  m ~ Bernoulli(1 - p) / (1 - p), one mask for each row

    Source: Gal & Ghahramani 2016, arXiv 1512.05287, section 4.1, the masks shared by all gates ("tied").

    When to use: small data and overfitting; begin with rates of 0.1 to 0.3. `input` alone costs no time. `recurrent`
    replaces the cell's kernel or scan with a loop over steps in training.

    The masks apply to what the weights read, not to what the cell carries over: a GRU interpolates with its unmasked h.
    Around a stack, all layers share the recurrent mask, and only the lowest layer has the input mask. In the slot of a
    stack, each layer has masks of its own.

    Args:
        input_size: I, the size of x.
        cell: the wrapped cell.
        input: the dropout probability of the input.
        recurrent: the dropout probability of the last output.
    """

    def __init__(
        self, input_size: int, *, cell: Factory[Cell], input: Probability = 0.0, recurrent: Probability = 0.0
    ) -> None:
        super().__init__(cell(input_size))
        self.input_size = input_size
        self.input, self.recurrent = input, recurrent

    def start(self, batch_size: int, like: Tensor) -> tuple[DropoutFixed, Tree]:
        """See `Cell.start`; the masks are ones in evaluation."""
        fixed, state = self.cell.start(batch_size, like)
        sizes = (self.input_size, self.input), (self.output_size, self.recurrent)
        masks = (F.dropout(like.new_ones(batch_size, size), rate, self.training) for size, rate in sizes)
        return DropoutFixed(*masks, fixed), state

    def step(self, x: Tensor, fixed: DropoutFixed, state: Tree) -> tuple[Tensor, Tree]:
        """See `Cell.step`."""
        return self.cell.step_masked(x * fixed.input_mask, fixed.output_mask, fixed.cell, state)

    def step_masked(self, x: Tensor, factors: Tensor, fixed: DropoutFixed, state: Tree) -> tuple[Tensor, Tree]:
        """See `Cell.step_masked`."""
        return self.cell.step_masked(x * fixed.input_mask, factors * fixed.output_mask, fixed.cell, state)

    def gates(self, x: Tensor, fixed: DropoutFixed, state: Tree) -> dict[str, Tensor]:
        """See `Cell.gates`; the wrapped cell's, computed from its masked state."""
        masked = self.cell.scale_output(state, fixed.output_mask)
        return self.cell.gates(x * fixed.input_mask, fixed.cell, masked)

    def unroll(self, x: Tensor, mask: Tensor, fixed: DropoutFixed, state: Tree) -> tuple[Tensor, Tree]:
        """See `Cell.unroll`. The wrapped cell's `unroll`, if its last output is not masked."""
        if self.training and self.recurrent:
            return super().unroll(x, mask, fixed, state)
        x = x * fixed.input_mask.unsqueeze(1) if self.training and self.input else x
        return self.cell.unroll(x, mask, fixed.cell, state)
