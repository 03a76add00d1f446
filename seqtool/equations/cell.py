"""Cells: one step of a recurrent network."""

import math
from typing import NamedTuple

from seqtool.equations.vectors import Matrix, Vector, by_element, each, plus, sigmoid, times


class Gate(NamedTuple):
    """What a gate adds up: W x + U h + b."""

    w: Matrix
    u: Matrix
    b: Vector

    def __call__(self, x: Vector, h: Vector) -> Vector:
        return plus(times(self.w, x), times(self.u, h), self.b)


def rnn(x: Vector, h: Vector, gate: Gate) -> Vector:
    """h' = tanh(W x + U h + b)

    Elman 1990, Cognitive Science 14(2).
    """
    return each(math.tanh, gate(x, h))


def lstm(x: Vector, h: Vector, c: Vector, *, i: Gate, f: Gate, g: Gate, o: Gate) -> tuple[Vector, Vector]:
    """c' = sigma(f) c + sigma(i) tanh(g);  h' = sigma(o) tanh(c')

    Hochreiter & Schmidhuber 1997, Neural Computation 9(8); the forget gate f: Gers et al. 2000. Returns (h', c').
    """
    kept = by_element(each(sigmoid, f(x, h)), c)
    written = by_element(each(sigmoid, i(x, h)), each(math.tanh, g(x, h)))
    c = plus(kept, written)
    return by_element(each(sigmoid, o(x, h)), each(math.tanh, c)), c


def gru(x: Vector, h: Vector, *, r: Gate, z: Gate, n: Gate, b_hn: Vector) -> Vector:
    """n = tanh(W_n x + b_n + sigma(r) (U_n h + b_hn));  h' = (1 - sigma(z)) n + sigma(z) h

    Cho et al. 2014, arXiv 1406.1078, eqs 5-8, with the reset gate after the product, as cuDNN has it.
    """
    reset, update = each(sigmoid, r(x, h)), each(sigmoid, z(x, h))
    remembered = by_element(reset, plus(times(n.u, h), b_hn))
    new = each(math.tanh, plus(times(n.w, x), n.b, remembered))
    return [(1 - share) * fresh + share * old for share, fresh, old in zip(update, new, h, strict=True)]
