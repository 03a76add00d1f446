"""Worked examples of encoders: three source vectors, cells of one unit."""

from seqtool.equations import encoder
from seqtool.equations.cell import Affine, Gate, Norm
from seqtool.equations.example import Example
from seqtool.equations.examples.cell import elman
from seqtool.equations.normalizer import softmax
from seqtool.equations.scorer import scaled_dot
from seqtool.equations.vectors import Matrix, concatenate, plus

SOURCE: Matrix = [[1.0], [0.0], [2.0]]


def identity() -> Example:
    """The memory is the source itself."""
    return Example({"x": SOURCE}).result("h", SOURCE)


def feed_forward() -> Example:
    """Two units."""
    layer = Affine([[1.0], [-1.0]], [-1.0, 0.0])
    example = Example({"x": SOURCE, "W": layer.w, "b": layer.b})
    example.show("W x_j + b", [layer(x) for x in SOURCE])
    return example.result("h", encoder.feed_forward(SOURCE, layer))


def rnn() -> Example:
    """Bidirectional, with Elman cells."""
    forward, backward = Gate([[1.0]], [[0.5]], [0.0]), Gate([[-1.0]], [[0.5]], [0.0])
    ahead, behind = elman(forward), elman(backward)
    example = Example({"x": SOURCE, "W, U forward": [[1.0], [0.5]], "W, U backward": [[-1.0], [0.5]]})
    example.show("forward h_1, h_2, h_3", encoder.encode(ahead, SOURCE, [0.0])[0])
    example.show("backward h_3, h_2, h_1", encoder.encode(behind, SOURCE[::-1], [0.0])[0])
    return example.result("h", encoder.bidirectional(ahead, behind, SOURCE, [0.0])[0])


def pyramid() -> Example:
    """One reduction, unidirectional, with Elman cells."""
    below, above = Gate([[1.0]], [[0.5]], [0.0]), Gate([[1.0, -1.0]], [[0.5]], [0.0])
    example = Example({"x": SOURCE, "W, U of rnn^0": [[1.0], [0.5]], "W, U of rnn^1": [[1.0, -1.0], [0.5]]})
    memory = example.show("h^0 = rnn^0(x)", encoder.encode(elman(below), SOURCE, [0.0])[0])
    paired = example.show("[h^0_{2j}; h^0_{2j+1}], zero-padded", encoder.pairs(memory, 1))
    return example.result("h^1, the memory", encoder.encode(elman(above), paired, [0.0])[0])


def conv() -> Example:
    """One layer, one unit, kernel size 3."""
    embed, kernel = Affine([[0.5]], [0.0]), Affine([[1.0, 0.0, -1.0], [0.0, 2.0, 0.0]], [0.0, -1.0])
    example = Example({"x": SOURCE, "E": embed.w, "W": kernel.w, "bias": kernel.b})
    positions = example.show("position_j", [encoder.sinusoid(j, 1) for j in range(3)])
    h = example.show("h^0_j = E x_j + position_j", [plus(embed(x), p) for x, p in zip(SOURCE, positions, strict=True)])
    padded = [[0.0], *h, [0.0]]
    near = example.show("[h^0_{j-1}; h^0_j; h^0_{j+1}]", [concatenate(*padded[j : j + 3]) for j in range(3)])
    example.show("[a; b]", [kernel(v) for v in near])
    return example.result("h^1_j = sqrt(1/2) (a sigma(b) + h^0_j)", encoder.convolution(h, kernel, 3))


def transformer() -> Example:
    """One layer with `norm_first`, one head, two positions of three units."""
    source = SOURCE[:2]
    embed, zeros = Affine([[1.0], [0.0], [-1.0]], [0.0] * 3), [0.0] * 3
    same = Affine([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], zeros)
    value = Affine([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]], zeros)
    first = Affine([[1.0, 0.0, 0.0], [0.0, -1.0, 1.0]], [0.0, 0.0])
    second = Affine([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], zeros)
    norm = Norm([1.0] * 3, zeros)
    layer = encoder.TransformerLayer(same, same, value, same, first, second, norm, norm)
    example = Example({"x": source, "E": embed.w, "Q, K, O": same.w, "V": value.w, "W_1": first.w, "W_2": second.w})
    example.given |= {"all biases": 0.0, "all gains of LN": 1.0}
    positioned = [plus(embed(x), encoder.sinusoid(j, 3)) for j, x in enumerate(source)]
    h = example.show("h^0_j = E x_j + position_j", positioned)
    normed = example.show("LN(h^0)", [norm(v) for v in h])
    example.show("a_jk = softmax(Q_j . K_k / sqrt(3))", [softmax(scaled_dot(v, normed)) for v in normed])
    attended = encoder.self_attention(normed, layer, 1)
    u = example.show("u = h^0 + O sum_k a_jk V LN(h^0_k)", [plus(v, w) for v, w in zip(h, attended, strict=True)])
    example.show("relu(W_1 LN(u))", [[max(0.0, x) for x in first(norm(v))] for v in u])
    after = encoder.transformer_layer(h, layer, heads=1, norm_first=True)
    example.show("h^1 = u + W_2 relu(W_1 LN(u))", after)
    return example.result("LN(h^1)", [norm(v) for v in after])
