"""Cells and encoders compared with equations in plain Python (float64, random parameters)."""

import math
import re
from functools import partial
from pathlib import Path

import pytest
from cell_oracle import ALL_CELLS, rows, state_of
from oracle import LENGTHS, SOURCE, assert_close, build, gates, mask, randn
from registered import names, wraps_cell

import seqtool.equations
from seqtool import equations as eq
from seqtool.api import state_layout, tree
from seqtool.equations.vectors import concatenate, sigmoid
from seqtool.registry import default_registry


@pytest.mark.parametrize("name", ALL_CELLS)
def test_cell(name: str) -> None:
    cell = build("cell", name, 3, hidden_size=5)
    step = ALL_CELLS[name](cell)
    x, start = randn(len(LENGTHS), SOURCE, 3), state_of(cell)
    outputs, state = cell.unroll(x, mask(), (), start)
    for row, length in enumerate(LENGTHS):
        memory, last = eq.encoder.encode(step, x[row, :length].tolist(), rows(start, row))
        assert_close(outputs[row, :length], memory)
        for found, wanted in zip(tree.leaves(state), last, strict=True):
            assert_close(found[row], wanted)
    output, after = cell.step(x[:, 0], (), start)
    wanted, last = step(x[3, 0].tolist(), rows(start, 3))
    assert_close(output[3], wanted)
    assert_close(tree.leaves(after)[-1][3], last[-1])


def test_every_cell_has_an_equation_test() -> None:
    """Wrappers are tested in test_cell_wrappers.py."""
    assert {name for name in names("cell") if not wraps_cell(name)} == set(ALL_CELLS)


def test_relu_cell() -> None:
    cell = build("cell", "rnn", 3, hidden_size=5, nonlinearity="relu")
    x, h = randn(2, 3), randn(2, 5)
    (gate,) = gates(cell)
    output, _ = cell.step(x, (), h)
    assert_close(output[1], [max(0.0, total) for total in gate(x[1].tolist(), h[1].tolist())])


@pytest.mark.parametrize("name", ALL_CELLS)
def test_bidirectional_encoder(name: str) -> None:
    cell = partial(default_registry().find("cell", name).load(), hidden_size=5)
    encoder = build("encoder", "rnn", 3, cell=cell, bidirectional=True, layers=2)
    x = randn(len(LENGTHS), SOURCE, 3)
    encoded = encoder(x, mask())
    steps = [ALL_CELLS[name](layer) for layer in encoder.cells]
    _, start = encoder.cells[0].start(1, x)
    zeros, width = rows(start, 0), len(state_layout(encoder.cells[0]).sizes)
    for row, length in enumerate(LENGTHS):
        first, last, back = eq.encoder.bidirectional(*steps[:2], x[row, :length].tolist(), zeros)
        second, last_2, back_2 = eq.encoder.bidirectional(*steps[2:], first, zeros)
        assert_close(encoded.memory[row, :length], second)
        ends = [state[:width] for state in (last, back, last_2, back_2)]
        finals = [concatenate(a, b) for i in (0, 2) for a, b in zip(*ends[i : i + 2], strict=True)]
        assert len(finals) == len(encoded.final)
        for found, wanted in zip(encoded.final, finals, strict=True):
            assert_close(found[row], wanted)


def test_equations_by_hand() -> None:
    assert eq.attention.context([0.5, 2.0], [[2.0, 4.0], [1.0, 0.0]], 2) == [3.0, 2.0]
    assert eq.attention.context([], [], 2) == [0.0, 0.0]
    zero = eq.cell.Gate([[0.0]], [[0.0]], [0.0])
    h, c = eq.cell.lstm([1.0], [1.0], [1.0], i=zero, f=zero, g=zero._replace(b=[100.0]), o=zero)
    assert (h, c) == ([0.5 * math.tanh(1.0)], [1.0])
    assert eq.cell.gru([1.0], [3.0], r=zero, z=zero, n=zero._replace(b=[100.0]), b_hn=[0.0]) == [2.0]
    assert eq.cell.rnn([1.0], [2.0], eq.cell.Gate([[3.0]], [[0.5]], [-3.5])) == [math.tanh(0.5)]
    assert eq.decoder.pointer([0.5, 0.2, 0.2, 0.1], [1, -1, 1, 0], 3) == pytest.approx([0.125, 0.875, 0.0])
    assert eq.decoder.pointer([], [], 2) == [0.0, 0.0]
    assert eq.decoder.pointer_generator(0.25, [0.5, 0.5], [1.0], [1]) == [0.125, 0.875]
    two = [[1.0, 0.0], [0.0, 1.0]]
    units = {"u": [two, [[0.0, 0.0], [0.0, 2.0]]], "c": [[0.0, 0.0], [3.0, 0.0]]}
    assert eq.readout.deep_output([1.0, 2.0], **units, w=[[1.0, 1.0]], b=[0.5]) == [7.5]  # t = (3, 4)
    assert eq.readout.linear([1.0, 2.0], w=[[1.0, 10.0]], b=[0.5]) == [21.5]
    assert eq.loss.mse([[1.0, 2.0], [0.0, 0.0]], [[0.0, 4.0], [3.0, 0.0]]) == (1 + 4) / 2 + 9 / 2
    assert eq.readout.feed_forward([2.0], w=[[1.0], [-1.0]], b=[0.0, 0.0], v=[[1.0, 100.0]], d=[-1.0]) == [-1.0]
    assert eq.loss.cross_entropy([[0.0, math.log(3)]], [1]) == pytest.approx(math.log(4 / 3))
    smoothed = 0.8 * math.log(4 / 3) + 0.2 * (math.log(4) + math.log(4 / 3)) / 2
    assert eq.loss.cross_entropy([[0.0, math.log(3)]], [1], smoothing=0.2) == pytest.approx(smoothed)
    assert eq.loss.coverage([[0.5, 0.5], [1.0, 0.0], [0.25, 0.75]]) == pytest.approx(0.5 + 0.25 + 0.5)
    assert eq.loss.guided_attention([[0.0, 1.0], [0.0, 1.0]], width=0.5) == pytest.approx(1 - math.exp(-0.5))
    taught = eq.loss.supervised_attention([[0.5, 0.5], [0.9, 0.1], [0.75, 0.25]], [0, -1, 1])
    assert taught == pytest.approx(math.log(8))
    assert (sigmoid(-1000.0), sigmoid(0.0), sigmoid(1000.0)) == (0.0, 0.5, 1.0)


def test_guided_attention_equals_a_published_example() -> None:
    """The documentation of SpeechBrain 1.0 gives the mean 0.1142 over all entries for these alignments."""
    first = [[0.8, 0.2], [0.4, 0.6], [0.2, 0.8]]
    second = [[0.6, 0.2, 0.2], [0.1, 0.7, 0.2], [0.3, 0.4, 0.3], [0.2, 0.3, 0.5]]
    total = eq.loss.guided_attention(first, width=0.2) + eq.loss.guided_attention(second, width=0.2)
    assert total / 24 == pytest.approx(0.1142, abs=5e-5)


def test_equations_import_only_the_standard_library() -> None:
    folder = Path(seqtool.equations.__file__).parent
    imported = {
        line.split()[1].partition(".")[0]
        for path in folder.rglob("*.py")
        for line in re.findall(r"^(?:import|from) .*", path.read_text(), re.MULTILINE)
    }
    assert imported == {"collections", "importlib", "math", "seqtool", "typing"}
