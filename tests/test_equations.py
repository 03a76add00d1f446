"""Every part against the equations in plain Python, float64, with the part's own random parameters."""

import math
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import seqtool.equations
from seqtool import equations as eq
from seqtool.equations.vectors import Matrix, Vector, joined, plus, sigmoid, times
from seqtool.nn.attention import Attention
from seqtool.parts.batch import Batch
from seqtool.parts.cell import Cell
from seqtool.parts.decoder import Decoder
from seqtool.parts.types import Encoded
from seqtool.registry import default_registry
from seqtool.testing import STAND_INS

TOLERANCE = 1e-10
LENGTHS = (7, 1, 0, 4)
SOURCE, STEPS = max(LENGTHS), 3
State = tuple[Vector, ...]


def build(kind: str, name: str, *sizes: Any, **options: Any) -> Any:
    """A part in float64, all of its parameters random."""
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
    torch.testing.assert_close(found.detach(), expected, rtol=TOLERANCE, atol=TOLERANCE)


def gates(cell: Cell) -> list[eq.Gate]:
    """The gates of a cell in the order of torch's stacked rows; both biases count."""
    size = cell.output_size
    rows = zip(cell.weight_ih.split(size), cell.weight_hh.split(size), strict=True)
    biases = (cell.bias_ih + cell.bias_hh).split(size)
    return [eq.Gate(w.tolist(), u.tolist(), b.tolist()) for (w, u), b in zip(rows, biases, strict=True)]


def lstm_step(cell: Cell) -> Callable[[Vector, State], tuple[Vector, State]]:
    i, f, g, o = gates(cell)

    def step(x: Vector, state: State) -> tuple[Vector, State]:
        h, c = eq.lstm(x, *state, i=i, f=f, g=g, o=o)
        return h, (h, c)

    return step


def gru_step(cell: Cell) -> Callable[[Vector, State], tuple[Vector, State]]:
    r, z, n = gates(cell)
    size = cell.output_size
    n = n._replace(b=cell.bias_ih[2 * size :].tolist())

    def step(x: Vector, state: State) -> tuple[Vector, State]:
        h = eq.gru(x, *state, r=r, z=z, n=n, b_hn=cell.bias_hh[2 * size :].tolist())
        return h, (h,)

    return step


def rnn_step(cell: Cell) -> Callable[[Vector, State], tuple[Vector, State]]:
    (gate,) = gates(cell)

    def step(x: Vector, state: State) -> tuple[Vector, State]:
        h = eq.rnn(x, *state, gate)
        return h, (h,)

    return step


CELLS = {"lstm": lstm_step, "gru": gru_step, "rnn": rnn_step}


@pytest.mark.parametrize("name", CELLS)
def test_cell(name: str) -> None:
    cell = build("cell", name, 3, hidden_size=5)
    step = CELLS[name](cell)
    x, start = randn(len(LENGTHS), SOURCE, 3), [randn(len(LENGTHS), size) for size in cell.state_sizes]
    outputs, state = cell.unroll(x, mask(), (), tuple(start))
    for row, length in enumerate(LENGTHS):
        memory, last = eq.encode(step, x[row, :length].tolist(), tuple(s[row].tolist() for s in start))
        assert_close(outputs[row, :length], memory)
        for found, wanted in zip(state, last, strict=True):
            assert_close(found[row], wanted)
    output, after = cell.step(x[:, 0], (), tuple(start))
    wanted, last = step(x[3, 0].tolist(), tuple(s[3].tolist() for s in start))
    assert_close(output[3], wanted)
    assert_close(after[-1][3], last[-1])


def test_relu_cell() -> None:
    cell = build("cell", "rnn", 3, hidden_size=5, nonlinearity="relu")
    x, h = randn(2, 3), randn(2, 5)
    (gate,) = gates(cell)
    output, _ = cell.step(x, (), (h,))
    assert_close(output[1], [max(0.0, total) for total in gate(x[1].tolist(), h[1].tolist())])


@pytest.mark.parametrize("name", CELLS)
def test_bidirectional_encoder(name: str) -> None:
    cell = partial(default_registry().find("cell", name).load(), hidden_size=5)
    encoder = build("encoder", "rnn", 3, cell=cell, bidirectional=True, layers=2)
    x = randn(len(LENGTHS), SOURCE, 3)
    encoded = encoder(x, mask())
    steps = [CELLS[name](layer) for layer in encoder.cells]
    zeros = tuple([0.0] * size for size in encoder.cells[0].state_sizes)
    for row, length in enumerate(LENGTHS):
        first, last, back = eq.bidirectional(*steps[:2], x[row, :length].tolist(), zeros)
        second, last_2, back_2 = eq.bidirectional(*steps[2:], first, zeros)
        assert_close(encoded.memory[row, :length], second)
        finals = [joined(a, b) for a, b in [*zip(last, back, strict=True), *zip(last_2, back_2, strict=True)]]
        assert len(finals) == len(encoded.final)
        for found, wanted in zip(encoded.final, finals, strict=True):
            assert_close(found[row], wanted)


def plain_additive(part: Any) -> Callable[[Vector, Matrix], Vector]:
    w, u, b, v = part.query_map.weight, part.key_map.weight, part.key_map.bias, part.vector.weight[0]
    return partial(eq.additive, w=w.tolist(), u=u.tolist(), b=b.tolist(), v=v.tolist())


class Moving:
    """A Graves window that moves at every call."""

    def __init__(self, part: Any) -> None:
        self.layers = [part.map] if not len(part.hidden) else [part.hidden[0], part.map]
        self.size = part.components
        self.mu = [0.0] * self.size

    def __call__(self, s: Vector, memory: Matrix) -> Vector:
        *hidden, last = self.layers
        for layer in hidden:
            s = [math.tanh(x) for x in plus(times(layer.weight.tolist(), s), layer.bias.tolist())]
        said = plus(times(last.weight.tolist(), s), last.bias.tolist())
        window = eq.Window(*(said[i * self.size : (i + 1) * self.size] for i in range(3)))
        scores, self.mu = eq.gmm(window, self.mu, len(memory))
        return scores


PLAIN: dict[str, Callable[[Any], Callable[[Vector, Matrix], Vector]]] = {
    "additive": plain_additive,
    "dot": lambda part: eq.dot,
    "scaled_dot": lambda part: eq.scaled_dot,
    "general": lambda part: partial(eq.general, w=part.map.weight.tolist()),
    "gmm": Moving,
}
"""The equation of a scorer with the parameters of a part, anew for each row."""

SCORERS: dict[str, tuple[str, dict[str, Any], int]] = {
    "additive": ("additive", {"hidden_size": 4}, 5),
    "additive of the query's size": ("additive", {}, 5),
    "dot": ("dot", {}, 3),
    "scaled_dot": ("scaled_dot", {}, 3),
    "general": ("general", {}, 5),
    "gmm": ("gmm", {"components": 2}, 5),
    "gmm with a hidden layer": ("gmm", {"components": 3, "hidden_size": 7}, 5),
}


@pytest.mark.parametrize("case", SCORERS)
def test_scorer(case: str) -> None:
    name, options, memory_size = SCORERS[case]
    scorer = build("scorer", name, 3, memory_size, **options)
    query, memory = randn(len(LENGTHS), STEPS, 3), randn(len(LENGTHS), SOURCE, memory_size)
    fixed, state = scorer.start(memory, mask())
    scores, state = scorer.score(query, fixed, state)
    for row, length in enumerate(LENGTHS):
        plain = PLAIN[name](scorer)
        wanted = [plain(s, memory[row, :length].tolist()) for s in query[row].tolist()]
        assert_close(scores[row, :, :length], wanted)
        if isinstance(plain, Moving):
            assert_close(state[0][row], plain.mu)


@pytest.mark.parametrize("name", ["softmax", "exp"])
def test_normalizer(name: str) -> None:
    scores, query = 3 * randn(len(LENGTHS), STEPS, SOURCE), randn(len(LENGTHS), STEPS, 3)
    scores[0, 0, 0] = 100.0
    lowest = torch.finfo(torch.float64).min
    weights, _ = build("normalizer", name, 3)(scores.masked_fill(~mask()[:, None], lowest), mask(), query, ())
    for row, length in enumerate(LENGTHS):
        wanted = [getattr(eq, name)(e[:length]) for e in scores[row].tolist()]
        assert_close(weights[row, :, :length], wanted)


def plain_attention(name: str, part: Attention, memory: Matrix) -> eq.attention.Attend:
    """The equation of an attention of one head with softmax, over one row's memory."""
    scorer = PLAIN[name](part.scorers[0])
    return lambda s: eq.attend(scorer, eq.softmax, s, memory, memory, part.memory_size)


def attention_slot(name: str, **options: Any) -> Callable[[int, int], Attention]:
    scorer = partial(default_registry().find("scorer", name).load(), **options)
    return partial(Attention, scorer=scorer, normalizer=default_registry().find("normalizer", "softmax").load())


def decoder_case(
    name: str, cell: str, scorer: str | None, **options: Any
) -> tuple[Decoder, Tensor, Encoded, Tensor, Tensor]:
    """A decoder, its inputs, what it decodes, and what it makes of it."""
    slot = partial(default_registry().find("cell", cell).load(), hidden_size=5)
    if scorer is not None:
        options["attention"] = attention_slot(scorer)
    decoder = build("decoder", name, 3, 4, (2, 6), 7, cell=slot, readout=STAND_INS["readout"], **options)
    memory = randn(len(LENGTHS), SOURCE, 4).masked_fill(~mask()[:, :, None], 0)
    encoded = Encoded(memory, mask(), (randn(len(LENGTHS), 2), randn(len(LENGTHS), 6)))
    inputs = randn(len(LENGTHS), STEPS, 3)
    features, weights, _ = decoder.unroll(inputs, *decoder.start(encoded))
    return decoder, inputs, encoded, features, weights


def first_state(decoder: Decoder, encoded: Encoded, row: int) -> State:
    """The linear bridge, or zeros."""
    if not len(decoder.bridge.maps):
        return tuple([0.0] * size for size in decoder.cell.state_sizes)
    final = joined(*(x[row].tolist() for x in encoded.final))
    return tuple(plus(times(m.weight.tolist(), final), m.bias.tolist()) for m in decoder.bridge.maps)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("scorer", ["additive", "general", "gmm"])
@pytest.mark.parametrize("bridge", ["zero", "linear"])
def test_attend_before(cell: str, scorer: str, bridge: str) -> None:
    decoder, inputs, encoded, features, weights = decoder_case("attend_before", cell, scorer, bridge=bridge)
    step = CELLS[cell](decoder.cell)
    for row, length in enumerate(LENGTHS):
        attend = plain_attention(scorer, decoder.attention, encoded.memory[row, :length].tolist())
        state = first_state(decoder, encoded, row)
        for t, y in enumerate(inputs[row].tolist()):
            output, a, state = eq.attend_before(step, attend, y, state[0], state)
            assert_close(features[row, t], output)
            assert_close(weights[row, 0, t], a + [0.0] * (SOURCE - length))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("scorer", ["additive", "gmm"])
@pytest.mark.parametrize("feeding", [True, False])
def test_attend_after(cell: str, scorer: str, feeding: bool) -> None:
    options = {"attentional_size": 6, "input_feeding": feeding, "bridge": "linear"}
    decoder, inputs, encoded, features, weights = decoder_case("attend_after", cell, scorer, **options)
    step, w = CELLS[cell](decoder.cell), decoder.combine.weight.tolist()
    for row, length in enumerate(LENGTHS):
        attend = plain_attention(scorer, decoder.attention, encoded.memory[row, :length].tolist())
        state, vector = first_state(decoder, encoded, row), [0.0] * 6
        for t, y in enumerate(inputs[row].tolist()):
            vector, a, state = eq.attend_after(step, attend, y, vector if feeding else [], state, w=w)
            assert_close(features[row, t], vector)
            assert_close(weights[row, 0, t], a + [0.0] * (SOURCE - length))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("repeat", [True, False])
def test_plain_decoder(cell: str, repeat: bool) -> None:
    decoder, inputs, encoded, features, weights = decoder_case("plain", cell, None, bridge="linear", repeat=repeat)
    assert weights is None
    step = CELLS[cell](decoder.cell)
    for row in range(len(LENGTHS)):
        state = first_state(decoder, encoded, row)
        repeated = joined(*(x[row].tolist() for x in encoded.final)) if repeat else []
        for t, y in enumerate(inputs[row].tolist()):
            output, state = eq.plain(step, y, state, repeated=repeated)
            assert_close(features[row, t], output)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("scorer", ["additive", "gmm"])
@pytest.mark.parametrize("bridge", ["zero", "linear"])
def test_attend_inside(cell: str, scorer: str, bridge: str) -> None:
    options = {"bridge": bridge, "features": ("input", "context", "output")}
    decoder, inputs, encoded, features, weights = decoder_case("attend_inside", cell, scorer, **options)
    decoder.cell = decoder.first  # whose sizes `first_state` asks for
    first, second = CELLS[cell](decoder.first), CELLS[cell](decoder.second)
    for row, length in enumerate(LENGTHS):
        memory = encoded.memory[row, :length].tolist()
        attend = plain_attention(scorer, decoder.attention, memory)
        state = first_state(decoder, encoded, row)
        for t, y in enumerate(inputs[row].tolist()):
            output, a, state = eq.attend_inside(first, second, attend, y, state)
            assert_close(features[row, t], joined(y, eq.context(a, memory, 4), output))
            assert_close(weights[row, 0, t], a + [0.0] * (SOURCE - length))


def copied_ids(size: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(-1, size, (len(LENGTHS), SOURCE), generator=generator)


@pytest.mark.parametrize("cell", CELLS)
def test_pointer(cell: str) -> None:
    slot = partial(default_registry().find("cell", cell).load(), hidden_size=5)
    decoder = build("decoder", "pointer", 3, 4, (), 7, cell=slot, attention=attention_slot("additive"))
    memory = randn(len(LENGTHS), SOURCE, 4).masked_fill(~mask()[:, :, None], 0)
    inputs, source = randn(len(LENGTHS), STEPS, 3), copied_ids(7)
    features, weights, _ = decoder.unroll(inputs, *decoder.start(Encoded(memory, mask(), ())))
    logits, step = decoder.readout(features, weights, source), CELLS[cell](decoder.cell)
    for row, length in enumerate(LENGTHS):
        attend = plain_attention("additive", decoder.attention, memory[row, :length].tolist())
        state = tuple([0.0] * size for size in decoder.cell.state_sizes)
        for t, y in enumerate(inputs[row].tolist()):
            output, state = step(y, state)
            _, a = attend(output)
            p = eq.pointer(a, source[row, :length].tolist(), 7)
            assert_close(logits[row, t], [math.log(x + 1e-9) for x in p])


@pytest.mark.parametrize("name", ["attend_before", "attend_after"])
def test_pointer_generator(name: str) -> None:
    options = {"attentional_size": 6} if name == "attend_after" else {}
    cell = partial(default_registry().find("cell", "gru").load(), hidden_size=5)
    inner = partial(
        default_registry().find("decoder", name).load(),
        cell=cell,
        attention=attention_slot("additive"),
        readout=STAND_INS["readout"],
        **options,
    )
    decoder = build("decoder", "pointer_generator", 3, 4, (), 7, decoder=inner)
    memory = randn(len(LENGTHS), SOURCE, 4).masked_fill(~mask()[:, :, None], 0)
    encoded, inputs, source = Encoded(memory, mask(), ()), randn(len(LENGTHS), STEPS, 3), copied_ids(7)
    features, weights, _ = decoder.unroll(inputs, *decoder.start(encoded))
    own, a, _ = decoder.decoder.unroll(inputs, *decoder.decoder.start(encoded))
    logits, own_logits = decoder.readout(features, weights, source), decoder.decoder.readout(own, a, source)
    gate, (bias,) = decoder.gate.weight.tolist(), decoder.gate.bias.tolist()
    for row, length in enumerate(LENGTHS):
        for t, y in enumerate(inputs[row].tolist()):
            looked = a[row, 0, t, :length].tolist()
            c = eq.context(looked, memory[row, :length].tolist(), 4)
            p_gen = sigmoid(times(gate, joined(own[row, t].tolist(), c, y))[0] + bias)
            generated = eq.softmax(own_logits[row, t].tolist())
            p = eq.pointer_generator(p_gen, generated, looked, source[row, :length].tolist())
            assert_close(logits[row, t], [math.log(x + 1e-9) for x in p])


def test_deep_output() -> None:
    readout = build("readout", "deep_output", 5, 7, hidden_size=4, pieces=3)
    features = randn(2, 3, 5)
    logits = readout(features)
    u = [readout.hidden.weight[k::3].tolist() for k in range(3)]
    c = [readout.hidden.bias[k::3].tolist() for k in range(3)]
    w, b = readout.map.weight.tolist(), readout.map.bias.tolist()
    for row in range(2):
        assert_close(logits[row], [eq.readout.deep_output(x, u=u, c=c, w=w, b=b) for x in features[row].tolist()])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cross_entropy", {}),
        ("cross_entropy", {"label_smoothing": 0.3}),
        ("coverage", {}),
        ("guided_attention", {"width": 0.3}),
    ],
)
def test_loss(name: str, options: dict[str, float]) -> None:
    target_length = torch.tensor([3, 1, 0, 2])
    target_mask = torch.arange(STEPS) < target_length[:, None]
    logits, weights = randn(4, STEPS, 5), randn(4, 2, STEPS, SOURCE).softmax(-1)
    weights = weights.masked_fill(~mask()[:, None, None], 0)
    target = torch.tensor([[4, 0, 2], [1, 1, 1], [0, 0, 0], [3, 2, 1]])
    batch = Batch(torch.zeros(4, SOURCE).long(), mask(), target, target_mask, torch.full((4, STEPS), -1))
    total, count = build("loss", name, **options)(logits, weights, batch)
    wanted = 0.0
    for row, (steps, length) in enumerate(zip(target_length.tolist(), LENGTHS, strict=True)):
        if name == "cross_entropy":
            smoothing = options.get("label_smoothing", 0.0)
            wanted += eq.loss.cross_entropy(
                logits[row, :steps].tolist(), target[row, :steps].tolist(), smoothing=smoothing
            )
        elif steps:
            for head in weights[row, :, :steps, :length].tolist():
                one = eq.loss.coverage(head) if name == "coverage" else eq.loss.guided_attention(head, **options)
                wanted += one / 2
    assert_close(total, wanted)
    assert int(count) == 6


@pytest.mark.parametrize("pieces", [("output", "input"), ("state",), ("state", "input", "output")])
def test_query_of_attend_before(pieces: tuple[str, ...]) -> None:
    decoder, inputs, encoded, features, _ = decoder_case("attend_before", "lstm", "additive", query=pieces)
    step = lstm_step(decoder.cell)
    attend = plain_attention("additive", decoder.attention, encoded.memory[0].tolist())
    state: State = ([0.0] * 5, [0.0] * 5)
    for t, y in enumerate(inputs[0].tolist()):
        named = {"output": state[0], "input": y, "state": joined(*state)}
        query = joined(*(named[piece] for piece in pieces))
        output, _, state = eq.attend_before(step, attend, y, query, state)
        assert_close(features[0, t], output)


def test_equations_by_hand() -> None:
    assert eq.softmax([math.log(1), math.log(3)]) == pytest.approx([0.25, 0.75])
    assert eq.softmax([]) == eq.exp([]) == []
    assert eq.exp([0.0, 1000.0]) == [1.0, math.exp(60)]
    assert eq.dot([1.0, 2.0], [[3.0, 4.0], [0.0, -1.0]]) == [11.0, -2.0]
    assert eq.scaled_dot([1.0, 2.0, 2.0, 0.0], [[2.0, 1.0, 1.0, 9.0]]) == [3.0]
    assert eq.general([1.0, 2.0], [[3.0]], w=[[1.0], [10.0]]) == [63.0]
    one = [[1.0]]
    assert eq.additive([0.5], [[0.25]], w=one, u=one, b=[0.0], v=[2.0]) == [2 * math.tanh(0.75)]
    scores, mu = eq.gmm(eq.Window([0.0], [math.log(2)], [math.log(0.5)]), [1.0], 4)
    assert mu == pytest.approx([3.0])
    assert scores == pytest.approx([-2.0, -0.5, 0.0, -0.5])
    assert eq.context([0.5, 2.0], [[2.0, 4.0], [1.0, 0.0]], 2) == [3.0, 2.0]
    assert eq.context([], [], 2) == [0.0, 0.0]
    zero = eq.Gate([[0.0]], [[0.0]], [0.0])
    h, c = eq.lstm([1.0], [1.0], [1.0], i=zero, f=zero, g=zero._replace(b=[100.0]), o=zero)
    assert (h, c) == ([0.5 * math.tanh(1.0)], [1.0])
    assert eq.gru([1.0], [3.0], r=zero, z=zero, n=zero._replace(b=[100.0]), b_hn=[0.0]) == [2.0]
    assert eq.rnn([1.0], [2.0], eq.Gate([[3.0]], [[0.5]], [-3.5])) == [math.tanh(0.5)]
    assert eq.pointer([0.5, 0.2, 0.2, 0.1], [1, -1, 1, 0], 3) == pytest.approx([0.125, 0.875, 0.0])
    assert eq.pointer([], [], 2) == [0.0, 0.0]
    assert eq.pointer_generator(0.25, [0.5, 0.5], [1.0], [1]) == [0.125, 0.875]
    two = [[1.0, 0.0], [0.0, 1.0]]
    units = {"u": [two, [[0.0, 0.0], [0.0, 2.0]]], "c": [[0.0, 0.0], [3.0, 0.0]]}
    assert eq.readout.deep_output([1.0, 2.0], **units, w=[[1.0, 1.0]], b=[0.5]) == [7.5]  # t = (3, 4)
    assert eq.readout.linear([1.0, 2.0], w=[[1.0, 10.0]], b=[0.5]) == [21.5]
    assert eq.loss.cross_entropy([[0.0, math.log(3)]], [1]) == pytest.approx(math.log(4 / 3))
    smoothed = 0.8 * math.log(4 / 3) + 0.2 * (math.log(4) + math.log(4 / 3)) / 2
    assert eq.loss.cross_entropy([[0.0, math.log(3)]], [1], smoothing=0.2) == pytest.approx(smoothed)
    assert eq.loss.coverage([[0.5, 0.5], [1.0, 0.0], [0.25, 0.75]]) == pytest.approx(0.5 + 0.25 + 0.5)
    assert eq.loss.guided_attention([[0.0, 1.0], [0.0, 1.0]], width=0.5) == pytest.approx(1 - math.exp(-0.5))
    assert (sigmoid(-1000.0), sigmoid(0.0), sigmoid(1000.0)) == (0.0, 0.5, 1.0)


def test_guided_attention_of_a_published_example() -> None:
    """The mean over all cells that the documentation of SpeechBrain 1.0 prints for these alignments: 0.1142."""
    first = [[0.8, 0.2], [0.4, 0.6], [0.2, 0.8]]
    second = [[0.6, 0.2, 0.2], [0.1, 0.7, 0.2], [0.3, 0.4, 0.3], [0.2, 0.3, 0.5]]
    total = eq.loss.guided_attention(first, width=0.2) + eq.loss.guided_attention(second, width=0.2)
    assert total / 24 == pytest.approx(0.1142, abs=5e-5)


def test_equations_need_nothing_but_python() -> None:
    folder = Path(seqtool.equations.__file__).parent
    imported = {
        line.split()[1].partition(".")[0]
        for path in folder.glob("*.py")
        for line in re.findall(r"^(?:import|from) .*", path.read_text(), re.MULTILINE)
    }
    assert imported == {"collections", "math", "seqtool", "typing"}
