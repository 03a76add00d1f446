"""The equations of parts as plain Python functions, with the parameters of a part."""

from collections.abc import Callable
from typing import Any

import torch
from attention_oracle import plain_scorer
from torch import Tensor, nn

from seqtool import equations as eq
from seqtool.equations.vectors import Matrix, Vector
from seqtool.nn.attention import Attention
from seqtool.parts.cell import Cell
from seqtool.registry import default_registry

TOLERANCE = 1e-10
LENGTHS = (7, 1, 0, 4)
SOURCE, STEPS = max(LENGTHS), 3
State = tuple[Vector, ...]


def build(kind: str, name: str, *sizes: Any, **options: Any) -> Any:
    """A part in float64 with random parameters."""
    torch.manual_seed(0)
    part = default_registry().find(kind, name).load()(*sizes, **options).double()
    for parameter in part.parameters():
        nn.init.normal_(parameter, std=0.7)
    return part


def randn(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def mask() -> Tensor:
    return torch.arange(SOURCE) < torch.tensor(LENGTHS)[:, None]


def assert_close(found: Tensor, wanted: Any) -> None:
    expected = torch.tensor(wanted, dtype=torch.float64).reshape(found.shape)
    torch.testing.assert_close(found.detach().double(), expected, rtol=TOLERANCE, atol=TOLERANCE)


def gates(cell: Cell) -> list[eq.cell.Gate]:
    """The parameters of each gate, in the order of torch's stacked rows; both biases are added."""
    size = cell.output_size
    rows = zip(cell.weight_ih.split(size), cell.weight_hh.split(size), strict=True)
    biases = (cell.bias_ih + cell.bias_hh).split(size)
    return [eq.cell.Gate(w.tolist(), u.tolist(), b.tolist()) for (w, u), b in zip(rows, biases, strict=True)]


def lstm_step(cell: Cell) -> Callable[[Vector, State], tuple[Vector, State]]:
    i, f, g, o = gates(cell)

    def step(x: Vector, state: State) -> tuple[Vector, State]:
        h, c = eq.cell.lstm(x, *state, i=i, f=f, g=g, o=o)
        return h, (h, c)

    return step


def gru_step(cell: Cell) -> Callable[[Vector, State], tuple[Vector, State]]:
    r, z, n = gates(cell)
    size = cell.output_size
    n = n._replace(b=cell.bias_ih[2 * size :].tolist())

    def step(x: Vector, state: State) -> tuple[Vector, State]:
        h = eq.cell.gru(x, *state, r=r, z=z, n=n, b_hn=cell.bias_hh[2 * size :].tolist())
        return h, (h,)

    return step


def rnn_step(cell: Cell) -> Callable[[Vector, State], tuple[Vector, State]]:
    (gate,) = gates(cell)

    def step(x: Vector, state: State) -> tuple[Vector, State]:
        h = eq.cell.rnn(x, *state, gate)
        return h, (h,)

    return step


CELLS = {"lstm": lstm_step, "gru": gru_step, "rnn": rnn_step}


def plain_attention(name: str, part: Attention, memory: Matrix) -> eq.attention.Attend:
    """The equation of attention with one head and softmax, for one row of the batch."""
    scorer = plain_scorer(name, part.scorers[0])
    return lambda s: eq.attention.attend(scorer, eq.normalizer.softmax, s, memory, memory, part.memory_size)
