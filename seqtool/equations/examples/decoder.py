"""Worked examples of decoders: one step of a one-unit Elman cell, dot attention over three numbers."""

from seqtool.equations import decoder
from seqtool.equations.attention import attend
from seqtool.equations.cell import Gate, rnn
from seqtool.equations.example import Example, Value
from seqtool.equations.normalizer import softmax
from seqtool.equations.scorer import dot
from seqtool.equations.vectors import Matrix, Vector

MEMORY: Matrix = [[1.0], [0.0], [2.0]]
Y, S = [1.0], [0.5]
U = [[0.5]]


def step_with(w: Matrix) -> decoder.Step[Vector]:
    """An Elman cell with the input weights `w`."""

    def step(x: Vector, state: Vector) -> tuple[Vector, Vector]:
        output = rnn(x, state, Gate(w, U, [0.0]))
        return output, output

    return step


def attention(query: Vector) -> tuple[Vector, Vector]:
    """Dot scores and softmax: the context and the weights."""
    return attend(dot, softmax, query, MEMORY, MEMORY, 1)


def given(**more: Value) -> dict[str, Value]:
    """The inputs of the decoders with attention."""
    return {"h": MEMORY, "y_{i-1}": Y, "s_{i-1}": S, **more, "U of the cell": U}


def plain() -> Example:
    """The final state z is an input of every step."""
    z, w = [2.0], [[1.0, -0.5]]
    example = Example({"y_{i-1}": Y, "s_{i-1}": S, "z": z, "W of the cell": w, "U of the cell": U})
    example.show("[y_{i-1}; z]", [*Y, *z])
    return example.result("s_i", decoder.plain(step_with(w), Y, S, repeated=z)[0])


def attend_before() -> Example:
    """Attend with s_{i-1}, then step."""
    w = [[1.0, -0.5]]
    example = Example(given(**{"W of the cell": w}))
    example.show("e = s_{i-1} . h_j", dot(S, MEMORY))
    context, weights = attention(S)
    example.show("a", weights)
    example.show("c_i", context)
    return example.result("s_i", decoder.attend_before(step_with(w), attention, Y, S, S)[0])


def attend_after() -> Example:
    """Step, then attend with s_i."""
    cell, w = [[1.0]], [[1.0, -1.0]]
    example = Example(given(**{"W of the cell": cell, "W_c": w}))
    output = example.show("s_i", step_with(cell)(Y, S)[0])
    context, weights = attention(output)
    example.show("a", weights)
    example.show("c_i", context)
    return example.result(
        "h~_i = tanh(W_c [c_i; s_i])", decoder.attend_after(step_with(cell), attention, Y, [], S, w=w)[0]
    )


def attend_inside() -> Example:
    """Step, attend with s'_i, step again."""
    first, second = [[1.0]], [[-0.5]]
    example = Example(given(**{"W of cell 1": first, "W of cell 2": second}))
    query = example.show("s'_i", step_with(first)(Y, S)[0])
    context, weights = attention(query)
    example.show("a", weights)
    example.show("c_i", context)
    return example.result("s_i", decoder.attend_inside(step_with(first), step_with(second), attention, Y, S)[0])


def attend_only() -> Example:
    """Attend with y_{i-1}; there is no state."""
    example = Example({"h": MEMORY, "y_{i-1}": Y})
    example.show("e = y_{i-1} . h_j", dot(Y, MEMORY))
    context, weights = decoder.attend_only(attention, Y)
    example.show("a", weights)
    return example.result("c_i", context)


def pointer() -> Example:
    """Four positions, three target symbols; position 2 has no target symbol."""
    weights, source = [0.5, 0.2, 0.2, 0.1], [1, -1, 1, 0]
    example = Example({"a": weights, "x as target ids, -1 for none": source})
    example.show("weight on positions with a target id", sum(a for a, x in zip(weights, source, strict=True) if x >= 0))
    return example.result("p(0), p(1), p(2)", decoder.pointer(weights, source, 3))


def pointer_generator() -> Example:
    """The same source; a quarter of the probability is on generated symbols."""
    weights, source, generated = [0.5, 0.2, 0.2, 0.1], [1, -1, 1, 0], [0.1, 0.1, 0.8]
    example = Example({"a": weights, "x as target ids, -1 for none": source, "p_gen": 0.25, "p_vocab": generated})
    example.show("copied", decoder.pointer(weights, source, 3))
    return example.result("p(0), p(1), p(2)", decoder.pointer_generator(0.25, generated, weights, source))
