"""What the gates of a model's cells say while it runs, for those who look."""

import contextlib
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn

from seqtool.parts.cell import Cell
from seqtool.parts.kernel import reference_only
from seqtool.parts.tree import Tree


@contextlib.contextmanager
def watched_gates(model: nn.Module) -> Iterator[dict[str, list[Tensor]]]:
    """While open, every step of every cell of `model` leaves what its gates say: `{"encoder.cells.0/input": [[B, H]]}`.

    A list holds the steps in the order in which the cell took them; a cell that reads the source backwards begins at
    its end. Meanwhile cells take one step after the other, `unroll` included, and no kernel computes.
    """
    said: dict[str, list[Tensor]] = {}
    cells = {name: module for name, module in model.named_modules() if isinstance(module, Cell)}
    with contextlib.ExitStack() as stack:
        stack.enter_context(reference_only())
        for name, cell in cells.items():
            if any(name.startswith(f"{other}.") for other in cells):
                continue  # the cell around it tells its gates
            vars(cell).update(step=partial(_step, cell, name, said), unroll=partial(Cell.unroll, cell))
            stack.callback(_forget, cell)
        yield said


def _step(
    cell: Cell, name: str, said: dict[str, list[Tensor]], x: Tensor, fixed: Tree, state: Tree
) -> tuple[Tensor, Tree]:
    with torch.no_grad():
        for gate, value in cell.gates(x, fixed, state).items():
            said.setdefault(f"{name}/{gate}", []).append(value)
    return type(cell).step(cell, x, fixed, state)


def _forget(cell: Cell) -> None:
    for name in ("step", "unroll"):
        del vars(cell)[name]
