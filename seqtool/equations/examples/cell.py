"""Cells, worked: one step, two units, one input."""

import math

from seqtool.equations import cell
from seqtool.equations.cell import Gate
from seqtool.equations.example import Example, Value
from seqtool.equations.vectors import by_element, each, plus, sigmoid, times

X, H = [1.0], [0.5, -0.5]
FIRST = Gate([[1.0], [-1.0]], [[0.5, 0.0], [0.0, 0.5]], [0.0, 0.0])
SECOND = Gate([[0.5], [0.5]], [[0.0, 1.0], [1.0, 0.0]], [0.0, 1.0])
THIRD = Gate([[-1.0], [1.0]], [[1.0, 0.0], [0.0, 1.0]], [0.5, 0.0])
FOURTH = Gate([[0.0], [2.0]], [[0.0, -1.0], [1.0, 0.0]], [0.0, 0.0])


def parameters(**gates: Gate) -> dict[str, Value]:
    """W, U and b of each gate, by name."""
    return {f"{letter}_{name}": getattr(gate, letter.lower()) for name, gate in gates.items() for letter in "WUb"}


def rnn() -> Example:
    """Elman's."""
    example = Example({"x": X, "h": H, "W": FIRST.w, "U": FIRST.u, "b": FIRST.b})
    example.show("W x + U h + b", FIRST(X, H))
    return example.result("h'", cell.rnn(X, H, FIRST))


def lstm() -> Example:
    """With a forget gate."""
    c = [1.0, -1.0]
    example = Example({"x": X, "h": H, "c": c, **parameters(i=FIRST, f=SECOND, g=THIRD, o=FOURTH)})
    written = example.show("sigma(i)", each(sigmoid, FIRST(X, H)))
    kept = example.show("sigma(f)", each(sigmoid, SECOND(X, H)))
    new = example.show("tanh(g)", each(math.tanh, THIRD(X, H)))
    example.show("sigma(o)", each(sigmoid, FOURTH(X, H)))
    after = example.show("c' = sigma(f) c + sigma(i) tanh(g)", plus(by_element(kept, c), by_element(written, new)))
    example.show("tanh(c')", each(math.tanh, after))
    return example.result("h'", cell.lstm(X, H, c, i=FIRST, f=SECOND, g=THIRD, o=FOURTH)[0])


def gru() -> Example:
    """With the reset gate after the product."""
    b_hn = [0.0, 0.5]
    example = Example({"x": X, "h": H, **parameters(r=FIRST, z=SECOND, n=THIRD), "b_hn": b_hn})
    reset = example.show("sigma(r)", each(sigmoid, FIRST(X, H)))
    example.show("sigma(z)", each(sigmoid, SECOND(X, H)))
    remembered = example.show("U_n h + b_hn", plus(times(THIRD.u, H), b_hn))
    asked = plus(times(THIRD.w, X), THIRD.b, by_element(reset, remembered))
    example.show("n", each(math.tanh, asked))
    return example.result("h'", cell.gru(X, H, r=FIRST, z=SECOND, n=THIRD, b_hn=b_hn))
