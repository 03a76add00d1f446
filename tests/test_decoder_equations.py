"""Decoders compared with equations in plain Python (float64, random parameters)."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from oracle import (
    CELLS,
    LENGTHS,
    SOURCE,
    STEPS,
    State,
    assert_close,
    build,
    lstm_step,
    mask,
    plain_attention,
    randn,
)
from torch import Tensor

from seqtool import equations as eq
from seqtool.api import state_layout
from seqtool.equations.vectors import concatenate, plus, sigmoid, times
from seqtool.nn.attention import Attention
from seqtool.parts.decoder import Decoder
from seqtool.parts.types import Encoded
from seqtool.registry import default_registry
from seqtool.testing import STAND_INS


def attention_slot(name: str, **options: Any) -> Callable[[int, int], Attention]:
    scorer = partial(default_registry().find("scorer", name).load(), **options)
    return partial(Attention, scorer=scorer, normalizer=default_registry().find("normalizer", "softmax").load())


def decoder_case(
    name: str, cell: str, scorer: str | None, **options: Any
) -> tuple[Decoder, Tensor, Encoded, Tensor, Tensor]:
    """A decoder, its inputs, the encoded source, and the decoder's results."""
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
        return tuple([0.0] * size for size in state_layout(decoder.cell).sizes)
    final = concatenate(*(x[row].tolist() for x in encoded.final))
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
            output, a, state = eq.decoder.attend_before(step, attend, y, state[0], state)
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
            vector, a, state = eq.decoder.attend_after(step, attend, y, vector if feeding else [], state, w=w)
            assert_close(features[row, t], vector)
            assert_close(weights[row, 0, t], a + [0.0] * (SOURCE - length))


@pytest.mark.parametrize("scorer", ["additive", "feed_forward", "gmm"])
def test_attend_only(scorer: str) -> None:
    decoder = build(
        "decoder", "attend_only", 3, 4, (2, 6), 7, attention=attention_slot(scorer), readout=STAND_INS["readout"]
    )
    memory = randn(len(LENGTHS), SOURCE, 4).masked_fill(~mask()[:, :, None], 0)
    inputs = randn(len(LENGTHS), STEPS, 3)
    features, weights, _ = decoder.unroll(inputs, *decoder.start(Encoded(memory, mask(), ())))
    for row, length in enumerate(LENGTHS):
        attend = plain_attention(scorer, decoder.attention, memory[row, :length].tolist())
        for t, y in enumerate(inputs[row].tolist()):
            context, a = eq.decoder.attend_only(attend, y)
            assert_close(features[row, t], context)
            assert_close(weights[row, 0, t], a + [0.0] * (SOURCE - length))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("repeat", [True, False])
def test_plain_decoder(cell: str, repeat: bool) -> None:
    decoder, inputs, encoded, features, weights = decoder_case("plain", cell, None, bridge="linear", repeat=repeat)
    assert weights is None
    step = CELLS[cell](decoder.cell)
    for row in range(len(LENGTHS)):
        state = first_state(decoder, encoded, row)
        repeated = concatenate(*(x[row].tolist() for x in encoded.final)) if repeat else []
        for t, y in enumerate(inputs[row].tolist()):
            output, state = eq.decoder.plain(step, y, state, repeated=repeated)
            assert_close(features[row, t], output)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("scorer", ["additive", "gmm"])
@pytest.mark.parametrize("bridge", ["zero", "linear"])
def test_attend_inside(cell: str, scorer: str, bridge: str) -> None:
    options = {"bridge": bridge, "features": ("input", "context", "output")}
    decoder, inputs, encoded, features, weights = decoder_case("attend_inside", cell, scorer, **options)
    decoder.cell = decoder.first  # `first_state` uses its sizes
    first, second = CELLS[cell](decoder.first), CELLS[cell](decoder.second)
    for row, length in enumerate(LENGTHS):
        memory = encoded.memory[row, :length].tolist()
        attend = plain_attention(scorer, decoder.attention, memory)
        state = first_state(decoder, encoded, row)
        for t, y in enumerate(inputs[row].tolist()):
            output, a, state = eq.decoder.attend_inside(first, second, attend, y, state)
            assert_close(features[row, t], concatenate(y, eq.attention.context(a, memory, 4), output))
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
        state = tuple([0.0] * size for size in state_layout(decoder.cell).sizes)
        for t, y in enumerate(inputs[row].tolist()):
            output, state = step(y, state)
            _, a = attend(output)
            p = eq.decoder.pointer(a, source[row, :length].tolist(), 7)
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
            c = eq.attention.context(looked, memory[row, :length].tolist(), 4)
            p_gen = sigmoid(times(gate, concatenate(own[row, t].tolist(), c, y))[0] + bias)
            generated = eq.normalizer.softmax(own_logits[row, t].tolist())
            p = eq.decoder.pointer_generator(p_gen, generated, looked, source[row, :length].tolist())
            assert_close(logits[row, t], [math.log(x + 1e-9) for x in p])


@pytest.mark.parametrize("pieces", [("output", "input"), ("state",), ("inner_state",), ("state", "input", "output")])
def test_query_of_attend_before(pieces: tuple[str, ...]) -> None:
    decoder, inputs, encoded, features, _ = decoder_case("attend_before", "lstm", "additive", query=pieces)
    step = lstm_step(decoder.cell)
    attend = plain_attention("additive", decoder.attention, encoded.memory[0].tolist())
    state: State = ([0.0] * 5, [0.0] * 5)
    for t, y in enumerate(inputs[0].tolist()):
        named = {"output": state[0], "inner_state": state[1], "input": y, "state": concatenate(*state)}
        query = concatenate(*(named[piece] for piece in pieces))
        output, _, state = eq.decoder.attend_before(step, attend, y, query, state)
        assert_close(features[0, t], output)
