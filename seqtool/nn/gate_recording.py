"""Record the gate values of a model's cells while the model runs."""

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from seqtool.parts.cell import Cell
from seqtool.parts.kernel import reference_only
from seqtool.parts.tree import Tree

Record = Callable[[dict[str, Tensor]], None]
"""Called with the gates of each step."""


class RecordingCell(Cell):
    """A cell that reports the gates of each step, and otherwise computes what `cell` computes."""

    def __init__(self, cell: Cell, record: Record) -> None:
        super().__init__()
        self.cell, self.record = cell, record
        self.output_size = cell.output_size

    def start(self, batch_size: int, like: Tensor) -> tuple[Tree, Tree]:
        """See `Cell.start`."""
        return self.cell.start(batch_size, like)

    def step(self, x: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
        """See `Cell.step`."""
        with torch.no_grad():
            self.record(self.cell.gates(x, fixed, state))
        return self.cell.step(x, fixed, state)

    def output(self, state: Tree) -> Tensor:
        """See `Cell.output`."""
        return self.cell.output(state)

    def features(self, state: Tree) -> Tree:
        """See `Cell.features`."""
        return self.cell.features(state)


@contextlib.contextmanager
def record_gates(model: nn.Module) -> Iterator[dict[str, list[Tensor]]]:
    """Record the gates of every cell within `model`, by path: `{"encoder.cells.0/input": [[B, H], ...]}`.

    Each list has one entry for each step, in the order in which the cell took them: a backward cell starts at the end
    of the source. A cell within another cell is recorded as part of the outer one, a shared cell under its first path.
    While the context is open, a `RecordingCell` replaces each cell, `unroll` loops over `step`, and no kernel runs.
    """
    gates: dict[str, list[Tensor]] = {}

    def recorder(path: str) -> Record:
        def record(values: dict[str, Tensor]) -> None:
            for gate, value in values.items():
                gates.setdefault(f"{path}/{gate}", []).append(value)

        return record

    modules = model.named_modules(remove_duplicate=False)  # a shared cell is replaced at each of its paths
    cells = {path: module for path, module in modules if isinstance(module, Cell)}
    outer = {path: cell for path, cell in cells.items() if not any(path.startswith(f"{other}.") for other in cells)}
    recording: dict[Cell, RecordingCell] = {}
    try:
        for path, cell in outer.items():
            model.set_submodule(path, recording.setdefault(cell, RecordingCell(cell, recorder(path))))
        with reference_only():
            yield gates
    finally:
        for path, cell in outer.items():
            model.set_submodule(path, cell)
