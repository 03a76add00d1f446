"""The equations of further cells as plain Python functions, with the parameters of a cell."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from oracle import CELLS, LENGTHS, State, gates, randn
from torch import Tensor

from seqtool import equations as eq
from seqtool.api import Cell, Tree, tree
from seqtool.equations.vectors import Vector
from seqtool.registry import default_registry

Step = Callable[[Vector, State], tuple[Vector, State]]


def peephole_lstm_step(cell: Any) -> Step:
    named = dict(zip("ifgo", gates(cell), strict=True))
    named |= dict(zip(("p_i", "p_f", "p_o"), cell.peepholes.tolist(), strict=True))

    def step(x: Vector, state: State) -> tuple[Vector, State]:
        h, c = eq.cell.peephole_lstm(x, *state, **named)
        return h, (h, c)

    return step


def layer_norm_lstm_step(cell: Any) -> Step:
    named = {"w": cell.weight_ih.tolist(), "u": cell.weight_hh.tolist()}
    norms = (cell.gain_ih, cell.bias_ih), (cell.gain_hh, cell.bias_hh), (cell.norm.weight, cell.norm.bias)
    norm_w, norm_u, norm_c = (eq.cell.Norm(gain.tolist(), bias.tolist()) for gain, bias in norms)

    def step(x: Vector, state: State) -> tuple[Vector, State]:
        h, c = eq.cell.layer_norm_lstm(x, *state, **named, norm_w=norm_w, norm_u=norm_u, norm_c=norm_c)
        return h, (h, c)

    return step


def layer_norm_gru_step(cell: Any) -> Step:
    size = cell.output_size

    def sums(rows: slice) -> eq.cell.NormedSums:
        norms = (cell.gain_ih, cell.bias_ih), (cell.gain_hh, cell.bias_hh)
        norm_w, norm_u = (eq.cell.Norm(gain[rows].tolist(), bias[rows].tolist()) for gain, bias in norms)
        return eq.cell.NormedSums(cell.weight_ih[rows].tolist(), cell.weight_hh[rows].tolist(), norm_w, norm_u)

    both, new = sums(slice(2 * size)), sums(slice(2 * size, None))

    def step(x: Vector, state: State) -> tuple[Vector, State]:
        h = eq.cell.layer_norm_gru(x, *state, gates=both, n=new)
        return h, (h,)

    return step


def affines(cell: Any) -> list[eq.cell.Affine]:
    """The parameters of each gate of a cell whose gates depend only on the input."""
    size = cell.output_size
    rows = zip(cell.weight_ih.split(size), cell.bias_ih.split(size), strict=True)
    return [eq.cell.Affine(w.tolist(), b.tolist()) for w, b in rows]


def candidate(cell: Any) -> Callable[[float], float]:
    return eq.cell.positive if cell.candidate == "positive" else float


def min_gru_step(cell: Any) -> Step:
    z, n = affines(cell)

    def step(x: Vector, state: State) -> tuple[Vector, State]:
        h = eq.cell.min_gru(x, *state, z=z, n=n, g=candidate(cell))
        return h, (h,)

    return step


def min_lstm_step(cell: Any) -> Step:
    i, f, n = affines(cell)

    def step(x: Vector, state: State) -> tuple[Vector, State]:
        h = eq.cell.min_lstm(x, *state, i=i, f=f, n=n, g=candidate(cell))
        return h, (h,)

    return step


def phased_lstm_step(cell: Any) -> Step:
    named = dict(zip("ifgo", gates(cell), strict=True))
    rhythms = list(zip(cell.log_period.exp().tolist(), cell.shift.tolist(), cell.ratio.sigmoid().tolist(), strict=True))

    def step(x: Vector, state: State) -> tuple[Vector, State]:
        h, c, t = state
        k = [eq.cell.openness(t, period=tau, shift=s, ratio=r, leak=cell.leak) for tau, s, r in rhythms]
        h, c = eq.cell.phased_lstm(x, h, c, k, **named)
        return h, (h, c, t + 1)

    return step


ALL_CELLS: dict[str, Callable[[Any], Step]] = CELLS | {
    "peephole_lstm": peephole_lstm_step,
    "layer_norm_lstm": layer_norm_lstm_step,
    "layer_norm_gru": layer_norm_gru_step,
    "min_gru": min_gru_step,
    "min_lstm": min_lstm_step,
    "phased_lstm": phased_lstm_step,
}
"""A function from a cell to its plain step, for each cell with one layer."""

SCANS = ("min_gru", "min_lstm")
BATCH = len(LENGTHS)


def slot(name: str, **options: Any) -> partial[Cell]:
    return partial(default_registry().find("cell", name).load(), **options)


def loop(cell: Cell, x: Tensor, real: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
    return Cell.unroll(cell, x, real, fixed, state)


def state_of(cell: Cell) -> Tree:
    """A random state, with counters set to 2."""
    _, state = cell.start(BATCH, torch.zeros(1, dtype=torch.float64))

    def drawn(leaf: Tensor) -> Tensor:
        return randn(*leaf.shape) if leaf.is_floating_point() else torch.full_like(leaf, 2)

    return tree.map(drawn, state)


def rows(state: Tree, row: int) -> State:
    """The numbers of one row of a state for each leaf, as plain steps take them."""
    return tuple(leaf[row].tolist() for leaf in tree.leaves(state))
