"""Decoders, worked: one step of Elman's cell with one unit, dot attention over a memory of three numbers."""

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
    """Elman's cell with these weights of its inputs."""

    def step(x: Vector, state: Vector) -> tuple[Vector, Vector]:
        output = rnn(x, state, Gate(w, U, [0.0]))
        return output, output

    return step


def look(query: Vector) -> tuple[Vector, Vector]:
    """Dot, softmax: the context and the weights."""
    return attend(dot, softmax, query, MEMORY, MEMORY, 1)


def given(**more: Value) -> dict[str, Value]:
    """What all of them are given."""
    return {"h": MEMORY, "y_{i-1}": Y, "s_{i-1}": S, **more, "U of the cell": U}


def plain() -> Example:
    """The final state z at every step, too."""
    z, w = [2.0], [[1.0, -0.5]]
    example = Example({"y_{i-1}": Y, "s_{i-1}": S, "z": z, "W of the cell": w, "U of the cell": U})
    example.show("[y_{i-1}; z]", [*Y, *z])
    return example.result("s_i", decoder.plain(step_with(w), Y, S, repeated=z)[0])


def attend_before() -> Example:
    """Look with s_{i-1}, then step."""
    w = [[1.0, -0.5]]
    example = Example(given(**{"W of the cell": w}))
    example.show("e = s_{i-1} . h_j", dot(S, MEMORY))
    context, weights = look(S)
    example.show("a", weights)
    example.show("c_i", context)
    return example.result("s_i", decoder.attend_before(step_with(w), look, Y, S, S)[0])


def attend_after() -> Example:
    """Step, then look with s_i."""
    cell, w = [[1.0]], [[1.0, -1.0]]
    example = Example(given(**{"W of the cell": cell, "W_c": w}))
    output = example.show("s_i", step_with(cell)(Y, S)[0])
    context, weights = look(output)
    example.show("a", weights)
    example.show("c_i", context)
    return example.result("h~_i = tanh(W_c [c_i; s_i])", decoder.attend_after(step_with(cell), look, Y, [], S, w=w)[0])


def attend_inside() -> Example:
    """Step, look with s'_i, step again."""
    first, second = [[1.0]], [[-0.5]]
    example = Example(given(**{"W of cell 1": first, "W of cell 2": second}))
    asking = example.show("s'_i", step_with(first)(Y, S)[0])
    context, weights = look(asking)
    example.show("a", weights)
    example.show("c_i", context)
    return example.result("s_i", decoder.attend_inside(step_with(first), step_with(second), look, Y, S)[0])


def attend_only() -> Example:
    """Look with y_{i-1}, and keep nothing."""
    example = Example({"h": MEMORY, "y_{i-1}": Y})
    example.show("e = y_{i-1} . h_j", dot(Y, MEMORY))
    context, weights = decoder.attend_only(look, Y)
    example.show("a", weights)
    return example.result("c_i", context)


def pointer() -> Example:
    """Four positions, three target symbols; position 2 holds nothing that could be written."""
    weights, source = [0.5, 0.2, 0.2, 0.1], [1, -1, 1, 0]
    example = Example({"a": weights, "x as target ids, -1 for none": source})
    example.show("weight at symbols", sum(a for a, x in zip(weights, source, strict=True) if x >= 0))
    return example.result("p(0), p(1), p(2)", decoder.pointer(weights, source, 3))


def pointer_generator() -> Example:
    """The same source; the decoder's own symbols get a quarter."""
    weights, source, generated = [0.5, 0.2, 0.2, 0.1], [1, -1, 1, 0], [0.1, 0.1, 0.8]
    example = Example({"a": weights, "x as target ids, -1 for none": source, "p_gen": 0.25, "p_vocab": generated})
    example.show("copied", decoder.pointer(weights, source, 3))
    return example.result("p(0), p(1), p(2)", decoder.pointer_generator(0.25, generated, weights, source))
