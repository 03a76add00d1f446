"""Worked examples of cells: one step of two units, with one input."""

import math

from seqtool.equations import cell
from seqtool.equations.cell import Gate, Norm, split
from seqtool.equations.example import Example, Value
from seqtool.equations.vectors import Matrix, Vector, apply, multiply, plus, sigmoid, times

X, H = [1.0], [0.5, -0.5]
FIRST = Gate([[1.0], [-1.0]], [[0.5, 0.0], [0.0, 0.5]], [0.0, 0.0])
SECOND = Gate([[0.5], [0.5]], [[0.0, 1.0], [1.0, 0.0]], [0.0, 1.0])
THIRD = Gate([[-1.0], [1.0]], [[1.0, 0.0], [0.0, 1.0]], [0.5, 0.0])
FOURTH = Gate([[0.0], [2.0]], [[0.0, -1.0], [1.0, 0.0]], [0.0, 0.0])


def parameters(**gates: Gate) -> dict[str, Value]:
    """W, U and b of each gate by name."""
    return {f"{letter}_{name}": getattr(gate, letter.lower()) for name, gate in gates.items() for letter in "WUb"}


def stacked(*gates: Gate) -> tuple[Matrix, Matrix]:
    """W and U of the gates, concatenated."""
    return [row for gate in gates for row in gate.w], [row for gate in gates for row in gate.u]


def gains(norms: dict[str, Norm]) -> dict[str, Value]:
    """Gain and bias of each LN by name."""
    return {f"gain, bias of {name}": [norm.gain, norm.bias] for name, norm in norms.items()}


def elman(gate: Gate) -> cell.Step[Vector]:
    """The Elman cell as a step."""

    def step(x: Vector, h: Vector) -> tuple[Vector, Vector]:
        output = cell.rnn(x, h, gate)
        return output, output

    return step


def rnn() -> Example:
    """The Elman cell."""
    example = Example({"x": X, "h": H, "W": FIRST.w, "U": FIRST.u, "b": FIRST.b})
    example.show("W x + U h + b", FIRST(X, H))
    return example.result("h'", cell.rnn(X, H, FIRST))


def lstm() -> Example:
    """With a forget gate."""
    c = [1.0, -1.0]
    example = Example({"x": X, "h": H, "c": c, **parameters(i=FIRST, f=SECOND, g=THIRD, o=FOURTH)})
    written = example.show("sigma(i)", apply(sigmoid, FIRST(X, H)))
    kept = example.show("sigma(f)", apply(sigmoid, SECOND(X, H)))
    new = example.show("tanh(g)", apply(math.tanh, THIRD(X, H)))
    example.show("sigma(o)", apply(sigmoid, FOURTH(X, H)))
    after = example.show("c' = sigma(f) c + sigma(i) tanh(g)", plus(multiply(kept, c), multiply(written, new)))
    example.show("tanh(c')", apply(math.tanh, after))
    return example.result("h'", cell.lstm(X, H, c, i=FIRST, f=SECOND, g=THIRD, o=FOURTH)[0])


def gru() -> Example:
    """With the reset gate after the product."""
    b_hn = [0.0, 0.5]
    example = Example({"x": X, "h": H, **parameters(r=FIRST, z=SECOND, n=THIRD), "b_hn": b_hn})
    reset = example.show("sigma(r)", apply(sigmoid, FIRST(X, H)))
    example.show("sigma(z)", apply(sigmoid, SECOND(X, H)))
    remembered = example.show("U_n h + b_hn", plus(times(THIRD.u, H), b_hn))
    preactivation = plus(times(THIRD.w, X), THIRD.b, multiply(reset, remembered))
    example.show("n", apply(math.tanh, preactivation))
    return example.result("h'", cell.gru(X, H, r=FIRST, z=SECOND, n=THIRD, b_hn=b_hn))


def peephole_lstm() -> Example:
    """The gates i and f see c, the gate o sees c'."""
    c, p_i, p_f, p_o = [1.0, -1.0], [0.5, 0.0], [-1.0, 1.0], [0.0, 2.0]
    gates = parameters(i=FIRST, f=SECOND, g=THIRD, o=FOURTH)
    example = Example({"x": X, "h": H, "c": c, **gates, "p_i": p_i, "p_f": p_f, "p_o": p_o})
    written = example.show("sigma(i + p_i c)", apply(sigmoid, plus(FIRST(X, H), multiply(p_i, c))))
    kept = example.show("sigma(f + p_f c)", apply(sigmoid, plus(SECOND(X, H), multiply(p_f, c))))
    new = example.show("tanh(g)", apply(math.tanh, THIRD(X, H)))
    after = example.show("c'", plus(multiply(kept, c), multiply(written, new)))
    example.show("sigma(o + p_o c')", apply(sigmoid, plus(FOURTH(X, H), multiply(p_o, after))))
    example.show("tanh(c')", apply(math.tanh, after))
    peepholes = {"p_i": p_i, "p_f": p_f, "p_o": p_o}
    return example.result("h'", cell.peephole_lstm(X, H, c, i=FIRST, f=SECOND, g=THIRD, o=FOURTH, **peepholes)[0])


def layer_norm_lstm() -> Example:
    """W and U are those of i, f, g and o, concatenated. LN maps any two numbers to -1 and 1."""
    c = [1.0, -0.5]
    w, u = stacked(FIRST, SECOND, THIRD, FOURTH)
    norm_w = Norm([1.0] * 8, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    norm_u, norm_c = Norm([0.5] * 8, [0.0] * 8), Norm([1.0, 2.0], [0.0, 0.0])
    norms = {"LN(W x)": norm_w, "LN(U h)": norm_u, "LN(c')": norm_c}
    example = Example({"x": X, "h": H, "c": c, "W": w, "U": u, **gains(norms)})
    seen = example.show("LN(W x)", norm_w(times(w, X)))
    remembered = example.show("LN(U h)", norm_u(times(u, H)))
    i, f, g, _ = example.show("[i, f, g, o]", split(plus(seen, remembered), 4))
    kept, written = multiply(apply(sigmoid, f), c), multiply(apply(sigmoid, i), apply(math.tanh, g))
    after = example.show("c'", plus(kept, written))
    example.show("LN(c')", norm_c(after))
    h = cell.layer_norm_lstm(X, H, c, w=w, u=u, norm_w=norm_w, norm_u=norm_u, norm_c=norm_c)[0]
    return example.result("h' = sigma(o) tanh(LN(c'))", h)


def layer_norm_gru() -> Example:
    """W and U are those of r and z, concatenated. LN maps any two numbers to -1 and 1."""
    norm = Norm([1.0] * 4, [0.0, 0.0, 1.0, 1.0])
    norm_n = Norm([1.0, 0.5], [0.0, 0.0])
    gates, n = cell.NormedSums(*stacked(FIRST, SECOND), norm, norm), cell.NormedSums(THIRD.w, THIRD.u, norm_n, norm_n)
    example = Example({"x": X, "h": H, "W": gates.w, "U": gates.u, "W_n": n.w, "U_n": n.u})
    example.given |= gains({"LN(W x), LN(U h)": norm, "LN(W_n x), LN(U_n h)": norm_n})
    seen, remembered = gates(X, H)
    example.show("LN(W x)", seen)
    example.show("LN(U h)", remembered)
    reset, _ = example.show("[r, z] = sigma(LN(W x) + LN(U h))", split(apply(sigmoid, plus(seen, remembered)), 2))
    seen, remembered = n(X, H)
    example.show("LN(W_n x)", seen)
    example.show("LN(U_n h)", remembered)
    example.show("n = tanh(LN(W_n x) + r LN(U_n h))", apply(math.tanh, plus(seen, multiply(reset, remembered))))
    return example.result("h' = (1 - z) n + z h", cell.layer_norm_gru(X, H, gates=gates, n=n))


def min_gru() -> Example:
    """The gate and the candidate do not depend on h."""
    z, n = cell.Affine([[1.0], [-1.0]], [0.0, 1.0]), cell.Affine([[0.5], [-1.0]], [0.0, 0.0])
    example = Example({"x": X, "h": H, "W_z": z.w, "b_z": z.b, "W_n": n.w, "b_n": n.b})
    example.show("z = sigma(W_z x + b_z)", apply(sigmoid, z(X)))
    example.show("W_n x + b_n", n(X))
    example.show("n = g(W_n x + b_n)", apply(cell.positive, n(X)))
    return example.result("h' = (1 - z) h + z n", cell.min_gru(X, H, z=z, n=n))


def min_lstm() -> Example:
    """The gates are normalized to sum to one."""
    i, f = cell.Affine([[1.0], [0.0]], [-1.0, 0.0]), cell.Affine([[0.0], [1.0]], [0.0, 0.0])
    n = cell.Affine([[0.5], [-1.0]], [0.0, 0.0])
    example = Example({"x": X, "h": H})
    example.given |= {"W_i": i.w, "b_i": i.b, "W_f": f.w, "b_f": f.b, "W_n": n.w, "b_n": n.b}
    write = example.show("i", apply(sigmoid, i(X)))
    forget = example.show("f", apply(sigmoid, f(X)))
    example.show("i/(f + i)", [b / (a + b) for a, b in zip(forget, write, strict=True)])
    example.show("n = g(W_n x + b_n)", apply(cell.positive, n(X)))
    return example.result("h' = f/(f + i) h + i/(f + i) n", cell.min_lstm(X, H, i=i, f=f, n=n))


def phased_lstm() -> Example:
    """At step 3 the first unit is closed, and the second is half open and closing."""
    t, leak, c = 3.0, 0.001, [1.0, -1.0]
    periods, shifts, ratios = [4.0, 8.0], [1.0, 0.0], [0.25, 0.5]
    rhythm: dict[str, Value] = {"t": t, "tau": periods, "s": shifts, "r": ratios, "leak": leak}
    example = Example({"x": X, "h": H, "c": c, **parameters(i=FIRST, f=SECOND, g=THIRD, o=FOURTH), **rhythm})
    example.show("phi", [(t - s) % tau / tau for tau, s in zip(periods, shifts, strict=True)])
    units = zip(periods, shifts, ratios, strict=True)
    k = example.show("k", [cell.openness(t, period=tau, shift=s, ratio=r, leak=leak) for tau, s, r in units])
    new_h, new_c = cell.lstm(X, H, c, i=FIRST, f=SECOND, g=THIRD, o=FOURTH)
    example.show("h~ of the lstm", new_h)
    example.show("c~ of the lstm", new_c)
    h, c = cell.phased_lstm(X, H, c, k, i=FIRST, f=SECOND, g=THIRD, o=FOURTH)
    example.show("c' = k c~ + (1 - k) c", c)
    return example.result("h' = k h~ + (1 - k) h", h)


def stack() -> Example:
    """Two layers of Elman cells, one unit each, with residual connections."""
    gates, states = [Gate([[1.0]], [[0.5]], [0.0]), Gate([[-1.0]], [[0.5]], [0.0])], [[0.5], [-0.5]]
    given: dict[str, Value] = {"x": X, "last h^1, h^2": states}
    given |= {f"W, U of layer {n}": [*gate.w, *gate.u] for n, gate in enumerate(gates, 1)}
    example = Example(given)
    first = example.show("h^1", cell.rnn(X, states[0], gates[0]))
    fed = example.show("x^2 = h^1 + x", plus(first, X))
    example.show("h^2", cell.rnn(fed, states[1], gates[1]))
    return example.result("x^3 = h^2 + x^2", cell.stack([elman(gate) for gate in gates], X, states, residual=True)[0])


def variational_dropout() -> Example:
    """Two steps of an Elman cell in training: both have the same dropout masks."""
    first, second, rate, x_kept, h_kept = [1.0, 2.0], [-1.0, 3.0], 0.5, [1, 0], [0, 1]
    gate = Gate([[0.5, 1.0], [-0.5, 1.0]], FIRST.u, FIRST.b)
    example = Example({"x_1": first, "x_2": second, "h_0": H, "W": gate.w, "U": gate.u, "b": gate.b, "p": rate})
    example.given |= {"mask of x": x_kept, "mask of h": h_kept}
    h = H
    for t, x in enumerate((first, second), 1):
        seen = example.show(f"m_x x_{t}", cell.variational_dropout(x, x_kept, rate))
        read = example.show(f"m_h h_{t - 1}", cell.variational_dropout(h, h_kept, rate))
        h = example.show(f"h_{t} = tanh(W m_x x_{t} + U m_h h_{t - 1} + b)", cell.rnn(seen, read, gate))
    return example


def zoneout() -> Example:
    """Around an Elman cell; the drawn mask keeps the first unit."""
    drawn, rate = [1.0, 0.0], 0.25
    example = Example({"x": X, "h": H, "W": FIRST.w, "U": FIRST.u, "b": FIRST.b, "d (drawn)": drawn, "z": rate})
    new = example.show("cell(x, h)", cell.rnn(X, H, FIRST))
    example.show("h' in training = d h + (1 - d) cell(x, h)", cell.zoneout(drawn, new, H))
    return example.result("h' in evaluation = z h + (1 - z) cell(x, h)", cell.zoneout([rate, rate], new, H))
