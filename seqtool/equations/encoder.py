"""Encoders: source -> memory."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from seqtool.equations.attention import context, part
from seqtool.equations.cell import Affine, Norm, State, Step
from seqtool.equations.normalizer import softmax
from seqtool.equations.scorer import scaled_dot
from seqtool.equations.vectors import Matrix, Vector, apply, concatenate, multiply, plus, sigmoid


def encode(step: Step[State], source: Sequence[Vector], state: State) -> tuple[Matrix, State]:
    """h_j = cell(x_j, h_{j-1}). Returns (all h, the last state)

    Sutskever et al. 2014, arXiv 1409.3215.
    """
    memory = []
    for x in source:
        output, state = step(x, state)
        memory.append(output)
    return memory, state


def bidirectional(
    forward: Step[State], backward: Step[State], source: Sequence[Vector], state: State
) -> tuple[Matrix, State, State]:
    """h_j = [forward h_j; backward h_j];  the backward cell reads x_S, ..., x_j. Returns (all h, both last states)

    Schuster & Paliwal 1997; Bahdanau et al. 2015, arXiv 1409.0473, section 3.2.
    """
    ahead, last = encode(forward, source, state)
    behind, first = encode(backward, source[::-1], state)
    return [concatenate(a, b) for a, b in zip(ahead, behind[::-1], strict=True)], last, first


def pairs(memory: Matrix, size: int) -> Matrix:
    """[h_{2j}; h_{2j+1}], with zeros for a missing last vector

    Chan et al. 2016, arXiv 1508.01211, eq. 5: the input of the next layer of a pyramid.
    """
    even = [*memory, [0.0] * size] if len(memory) % 2 else memory
    return [concatenate(even[j], even[j + 1]) for j in range(0, len(even), 2)]


def lrelu(z: float) -> float:
    """max(z, 0.01 z)

    Maas et al. 2013; used by Raffel & Ellis 2015, arXiv 1512.08756, section 3.
    """
    return max(z, 0.01 * z)


def feed_forward(source: Sequence[Vector], layer: Affine) -> Matrix:
    """h_j = lrelu(W x_j + b)

    Raffel & Ellis 2015, arXiv 1512.08756, section 3.
    """
    return [apply(lrelu, layer(x)) for x in source]


def sinusoid(j: int, size: int) -> Vector:
    """sin(j / 10000^(2i / D)) in column 2i, cos in column 2i + 1

    Vaswani et al. 2017, arXiv 1706.03762, section 3.5.
    """
    angles = [j / 10000 ** ((column - column % 2) / size) for column in range(size)]
    return [math.cos(angle) if column % 2 else math.sin(angle) for column, angle in enumerate(angles)]


def convolution(h: Matrix, kernel: Affine, width: int) -> Matrix:
    """[a; b] = W [h_{j-k/2}; ...; h_{j+k/2}] + bias;  h'_j = sqrt(1/2) (a sigma(b) + h_j), zeros outside the source

    Gehring et al. 2017, arXiv 1705.03122, sections 3.2 and 3.4.
    """
    size = len(h[0]) if h else 0
    zeros = [[0.0] * size] * (width // 2)
    padded = [*zeros, *h, *zeros]
    outputs = []
    for j, old in enumerate(h):
        both = kernel(concatenate(*padded[j : j + width]))
        new = multiply(both[:size], apply(sigmoid, both[size:]))
        outputs.append([math.sqrt(0.5) * x for x in plus(new, old)])
    return outputs


class TransformerLayer(NamedTuple):
    """The parameters of one layer: attention, W_1 and W_2, and the two LN."""

    query: Affine
    key: Affine
    value: Affine
    output: Affine
    first: Affine
    second: Affine
    norm_1: Norm
    norm_2: Norm


def self_attention(h: Matrix, layer: TransformerLayer, heads: int) -> Matrix:
    """head_n(j) = sum_k softmax(Q_n h_j . K_n h_k / sqrt(d)) V_n h_k;  O [head_1; ...; head_N] + b

    Vaswani et al. 2017, arXiv 1706.03762, section 3.2.
    """
    queries, keys, values = ([affine(x) for x in h] for affine in (layer.query, layer.key, layer.value))
    outputs = []
    for s in queries:
        found = []
        for n in range(heads):
            weights = softmax(scaled_dot(part(s, n, heads), [part(key, n, heads) for key in keys]))
            found.append(context(weights, [part(value, n, heads) for value in values], len(s) // heads))
        outputs.append(layer.output(concatenate(*found)))
    return outputs


def transformer_layer(h: Matrix, layer: TransformerLayer, *, heads: int, norm_first: bool) -> Matrix:
    """u = LN(h + attention(h));  h' = LN(u + W_2 relu(W_1 u)), or
    u = h + attention(LN(h));  h' = u + W_2 relu(W_1 LN(u))

    Vaswani et al. 2017, arXiv 1706.03762, section 3; norm_first: Xiong et al. 2020, arXiv 2002.04745.
    """

    def feed_forward(v: Vector) -> Vector:
        return layer.second([max(0.0, x) for x in layer.first(v)])

    if norm_first:
        attended = self_attention([layer.norm_1(x) for x in h], layer, heads)
        u = [plus(x, y) for x, y in zip(h, attended, strict=True)]
        return [plus(x, feed_forward(layer.norm_2(x))) for x in u]
    attended = self_attention(h, layer, heads)
    u = [layer.norm_1(plus(x, y)) for x, y in zip(h, attended, strict=True)]
    return [layer.norm_2(plus(x, feed_forward(x))) for x in u]
