"""The base class of cells that contain another cell and have its state."""

from torch import Tensor

from seqtool.api import Cell, Tree


class Wrapper(Cell):
    """A cell whose state is that of the wrapped `cell`. A subclass defines `step` and `step_masked`."""

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.cell = cell
        self.output_size = cell.output_size

    def start(self, batch_size: int, like: Tensor) -> tuple[Tree, Tree]:
        """See `Cell.start`."""
        return self.cell.start(batch_size, like)

    def output(self, state: Tree) -> Tensor:
        """See `Cell.output`."""
        return self.cell.output(state)

    def features(self, state: Tree) -> Tree:
        """See `Cell.features`."""
        return self.cell.features(state)

    def scale_output(self, state: Tree, factors: Tensor) -> Tree:
        """See `Cell.scale_output`."""
        return self.cell.scale_output(state, factors)

    def gates(self, x: Tensor, fixed: Tree, state: Tree) -> dict[str, Tensor]:
        """See `Cell.gates`; the wrapped cell's."""
        return self.cell.gates(x, fixed, state)
