"""Cells: one step of a recurrent network."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from seqtool.equations.vectors import Matrix, Vector, apply, multiply, plus, sigmoid, times

State = TypeVar("State")
Step = Callable[[Vector, State], tuple[Vector, State]]
"""A cell: (x, state) -> (output, state)."""


class Gate(NamedTuple):
    """The preactivation of a gate: W x + U h + b."""

    w: Matrix
    u: Matrix
    b: Vector

    def __call__(self, x: Vector, h: Vector) -> Vector:
        return plus(times(self.w, x), times(self.u, h), self.b)


def rnn(x: Vector, h: Vector, gate: Gate) -> Vector:
    """h' = tanh(W x + U h + b)

    Elman 1990, Cognitive Science 14(2).
    """
    return apply(math.tanh, gate(x, h))


def lstm(x: Vector, h: Vector, c: Vector, *, i: Gate, f: Gate, g: Gate, o: Gate) -> tuple[Vector, Vector]:
    """c' = sigma(f) c + sigma(i) tanh(g);  h' = sigma(o) tanh(c')

    Hochreiter & Schmidhuber 1997, Neural Computation 9(8); the forget gate f: Gers et al. 2000. Returns (h', c').
    """
    kept = multiply(apply(sigmoid, f(x, h)), c)
    written = multiply(apply(sigmoid, i(x, h)), apply(math.tanh, g(x, h)))
    c = plus(kept, written)
    return multiply(apply(sigmoid, o(x, h)), apply(math.tanh, c)), c


def gru(x: Vector, h: Vector, *, r: Gate, z: Gate, n: Gate, b_hn: Vector) -> Vector:
    """n = tanh(W_n x + b_n + sigma(r) (U_n h + b_hn));  h' = (1 - sigma(z)) n + sigma(z) h

    Cho et al. 2014, arXiv 1406.1078, eqs 5-8, with the reset gate after the product, as in cuDNN.
    """
    reset, update = apply(sigmoid, r(x, h)), apply(sigmoid, z(x, h))
    remembered = multiply(reset, plus(times(n.u, h), b_hn))
    new = apply(math.tanh, plus(times(n.w, x), n.b, remembered))
    return interpolate(update, h, new)


def peephole_lstm(
    x: Vector,
    h: Vector,
    c: Vector,
    *,
    i: Gate,
    f: Gate,
    g: Gate,
    o: Gate,
    p_i: Vector,
    p_f: Vector,
    p_o: Vector,
) -> tuple[Vector, Vector]:
    """c' = sigma(f + p_f c) c + sigma(i + p_i c) tanh(g);  h' = sigma(o + p_o c') tanh(c')

    Gers & Schmidhuber 2000; Graves 2013, arXiv 1308.0850, eqs 7-11. Returns (h', c').
    """
    kept = multiply(apply(sigmoid, plus(f(x, h), multiply(p_f, c))), c)
    written = multiply(apply(sigmoid, plus(i(x, h), multiply(p_i, c))), apply(math.tanh, g(x, h)))
    c = plus(kept, written)
    return multiply(apply(sigmoid, plus(o(x, h), multiply(p_o, c))), apply(math.tanh, c)), c


class Norm(NamedTuple):
    """LN(v) = gain (v - mean) / sqrt(var + 1e-5) + bias. Ba et al. 2016, arXiv 1607.06450, eqs 3-4."""

    gain: Vector
    bias: Vector

    def __call__(self, v: Vector) -> Vector:
        mean = sum(v) / len(v)
        spread = math.sqrt(sum((x - mean) ** 2 for x in v) / len(v) + 1e-5)
        return plus(multiply(self.gain, [(x - mean) / spread for x in v]), self.bias)


def layer_norm_lstm(
    x: Vector, h: Vector, c: Vector, *, w: Matrix, u: Matrix, norm_w: Norm, norm_u: Norm, norm_c: Norm
) -> tuple[Vector, Vector]:
    """[i, f, g, o] = LN(W x) + LN(U h);  c' = sigma(f) c + sigma(i) tanh(g);  h' = sigma(o) tanh(LN(c'))

    Ba et al. 2016, arXiv 1607.06450, supplementary material. Returns (h', c').
    """
    i, f, g, o = split(plus(norm_w(times(w, x)), norm_u(times(u, h))), 4)
    c = plus(multiply(apply(sigmoid, f), c), multiply(apply(sigmoid, i), apply(math.tanh, g)))
    return multiply(apply(sigmoid, o), apply(math.tanh, norm_c(c))), c


class NormedSums(NamedTuple):
    """(LN(W x), LN(U h))."""

    w: Matrix
    u: Matrix
    norm_w: Norm
    norm_u: Norm

    def __call__(self, x: Vector, h: Vector) -> tuple[Vector, Vector]:
        return self.norm_w(times(self.w, x)), self.norm_u(times(self.u, h))


def layer_norm_gru(x: Vector, h: Vector, *, gates: NormedSums, n: NormedSums) -> Vector:
    """[r, z] = LN(W x) + LN(U h);  n = tanh(LN(W_n x) + sigma(r) LN(U_n h));  h' = (1 - sigma(z)) n + sigma(z) h

    Ba et al. 2016, arXiv 1607.06450, supplementary material; z is the weight of the old h.
    """
    reset, update = split(apply(sigmoid, plus(*gates(x, h))), 2)
    seen, remembered = n(x, h)
    return interpolate(update, h, apply(math.tanh, plus(seen, multiply(reset, remembered))))


class Affine(NamedTuple):
    """W x + b."""

    w: Matrix
    b: Vector

    def __call__(self, x: Vector) -> Vector:
        return plus(times(self.w, x), self.b)


def positive(v: float) -> float:
    """g(v) = v + 1/2 if v >= 0, else sigma(v)

    Feng et al. 2024, arXiv 2410.01201, appendix B.
    """
    return v + 0.5 if v >= 0 else sigmoid(v)


def min_gru(x: Vector, h: Vector, *, z: Affine, n: Affine, g: Callable[[float], float] = positive) -> Vector:
    """h' = (1 - sigma(z)) h + sigma(z) g(n)

    Feng et al. 2024, arXiv 2410.01201, section 3.1.
    """
    return interpolate(apply(sigmoid, z(x)), apply(g, n(x)), h)


def min_lstm(
    x: Vector, h: Vector, *, i: Affine, f: Affine, n: Affine, g: Callable[[float], float] = positive
) -> Vector:
    """h' = sigma(f) / (sigma(f) + sigma(i)) h + sigma(i) / (sigma(f) + sigma(i)) g(n)

    Feng et al. 2024, arXiv 2410.01201, section 3.2.
    """
    forget, write = apply(sigmoid, f(x)), apply(sigmoid, i(x))
    weight = [b / (a + b) for a, b in zip(forget, write, strict=True)]
    return interpolate(weight, apply(g, n(x)), h)


def openness(t: float, *, period: float, shift: float, ratio: float, leak: float) -> float:
    """phi = ((t - s) mod tau) / tau;  k = 2 phi / r if phi < r/2, 2 - 2 phi / r if phi < r, else leak phi

    Neil et al. 2016, arXiv 1610.09513, eq. 6.
    """
    phase = (t - shift) % period / period
    if phase < ratio / 2:
        return 2 * phase / ratio
    return 2 - 2 * phase / ratio if phase < ratio else leak * phase


def phased_lstm(
    x: Vector, h: Vector, c: Vector, k: Vector, *, i: Gate, f: Gate, g: Gate, o: Gate
) -> tuple[Vector, Vector]:
    """h~, c~ = lstm(x, h, c);  c' = k c~ + (1 - k) c;  h' = k h~ + (1 - k) h

    Neil et al. 2016, arXiv 1610.09513, eqs 7-10, without peepholes; k is the openness of each unit. Returns (h', c').
    """
    new_h, new_c = lstm(x, h, c, i=i, f=f, g=g, o=o)
    return interpolate(k, new_h, h), interpolate(k, new_c, c)


def variational_dropout(v: Vector, kept: Sequence[int], rate: float) -> Vector:
    """m v, for v = x and for the v = h that U multiplies;  m = 1 / (1 - p) where kept, else 0

    Gal & Ghahramani 2016, arXiv 1512.05287, section 4.1: x and h have separate masks, which are the same at every step.
    """
    return [x / (1 - rate) if keep else 0.0 for x, keep in zip(v, kept, strict=True)]


def zoneout(d: Vector, new: Vector, old: Vector) -> Vector:
    """d old + (1 - d) new;  d is 0 or 1 at random in training, the rate z in evaluation

    Krueger et al. 2017, arXiv 1606.01305, section 3.
    """
    return interpolate(d, old, new)


def stack(
    steps: Sequence[Step[State]], x: Vector, states: Sequence[State], *, residual: bool = False
) -> tuple[Vector, list[State]]:
    """h^l = cell_l(x^l);  x^{l+1} = h^l, or h^l + x^l. Returns (x^{L+1}, states of the layers)

    Graves 2013, arXiv 1308.0850, section 2; residual: Wu et al. 2016, arXiv 1609.08144, section 3.1.
    """
    after = []
    for step, state in zip(steps, states, strict=True):
        output, state = step(x, state)
        x = plus(output, x) if residual and len(output) == len(x) else output
        after.append(state)
    return x, after


def interpolate(weight: Vector, new: Vector, old: Vector) -> Vector:
    """w new + (1 - w) old"""
    return [w * a + (1 - w) * b for w, a, b in zip(weight, new, old, strict=True)]


def split(v: Vector, count: int) -> list[Vector]:
    """Split a vector into equal parts."""
    size = len(v) // count
    return [v[n * size : (n + 1) * size] for n in range(count)]
