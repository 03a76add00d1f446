"""Encoders compared with their equations in plain Python, with padding."""

import warnings
from functools import partial
from typing import Any

import pytest
import torch
from cell_oracle import ALL_CELLS, slot
from oracle import LENGTHS, SOURCE, State, assert_close, build, mask, randn

from seqtool import equations as eq
from seqtool.api import PartError
from seqtool.equations.vectors import Matrix, concatenate, plus
from seqtool.testing import STAND_INS


def affine(weight: torch.Tensor, bias: torch.Tensor) -> eq.cell.Affine:
    return eq.cell.Affine(weight.tolist(), bias.tolist())


def norm(part: Any) -> eq.cell.Norm:
    return eq.cell.Norm(part.weight.tolist(), part.bias.tolist())


def source() -> torch.Tensor:
    """Padding contains huge numbers."""
    return randn(len(LENGTHS), SOURCE, 3).masked_fill(~mask()[:, :, None], 1e5)


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("input_size", [3, 10])
def test_residual_layers(bidirectional: bool, input_size: int) -> None:
    options = {"layers": 3, "bidirectional": bidirectional, "residual": True}
    encoder = build("encoder", "rnn", input_size, cell=slot("gru", hidden_size=5), **options)
    x = randn(len(LENGTHS), SOURCE, input_size).masked_fill(~mask()[:, :, None], 1e5)
    encoded = encoder(x, mask())
    steps = [ALL_CELLS["gru"](cell) for cell in encoder.cells]
    assert len(encoded.final) == 3
    for row, length in enumerate(LENGTHS):
        below = x[row, :length].tolist()
        for layer in range(3):
            below = [
                plus(above, fed) if len(above) == len(fed) else above
                for above, fed in zip(read(steps, layer, below, bidirectional)[0], below, strict=True)
            ]
        assert_close(encoded.memory[row, :length], below)


def read(steps: list[Any], layer: int, below: Matrix, bidirectional: bool) -> tuple[Matrix, list[float]]:
    """A layer's memory and its concatenated last states, for cells with one state of size 5."""
    zero: State = ([0.0] * 5,)
    if not bidirectional:
        memory, (last,) = eq.encoder.encode(steps[layer], below, zero)
        return memory, last
    memory, (last,), (first,) = eq.encoder.bidirectional(*steps[2 * layer : 2 * layer + 2], below, zero)
    return memory, concatenate(last, first)


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("halvings", [1, 2, 3])
def test_pyramid(bidirectional: bool, halvings: int) -> None:
    cell = slot("gru", hidden_size=5)
    encoder = build("encoder", "pyramid", 3, cell=cell, halvings=halvings, bidirectional=bidirectional)
    x, width = source(), 10 if bidirectional else 5
    encoded = encoder(x, mask())
    steps = [ALL_CELLS["gru"](one) for layer in encoder.layers for one in layer.cells]
    for row, length in enumerate(LENGTHS):
        memory, last = read(steps, 0, x[row, :length].tolist(), bidirectional)
        finals = [last]
        for layer in range(1, halvings + 1):
            memory, last = read(steps, layer, eq.encoder.pairs(memory, width), bidirectional)
            finals.append(last)
            length = -(-length // 2)
        assert encoded.mask[row].tolist() == [j < length for j in range(encoded.mask.shape[1])]
        assert_close(encoded.memory[row, :length], memory)
        for found, wanted in zip(encoded.final, finals, strict=True):
            assert_close(found[row], wanted)


@pytest.mark.parametrize(("length", "wanted"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3)])
def test_pyramid_halves_and_rounds_up(length: int, wanted: int) -> None:
    encoder = build("encoder", "pyramid", 3, cell=STAND_INS["cell"])
    encoded = encoder(randn(2, length, 3), torch.ones(2, length, dtype=torch.bool))
    assert encoded.memory.shape[1] == encoded.mask.shape[1] == wanted
    assert encoded.mask.all()


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
@pytest.mark.parametrize("positions", [True, False])
def test_conv(kernel_size: int, positions: bool) -> None:
    encoder = build("encoder", "conv", 3, hidden_size=5, kernel_size=kernel_size, positions=positions)
    x = source()
    encoded = encoder(x, mask())
    embed = affine(encoder.map.weight, encoder.map.bias)
    kernels = [affine(layer.weight.transpose(1, 2).flatten(1), layer.bias) for layer in encoder.layers]
    for row, length in enumerate(LENGTHS):
        h = [embed(v) for v in x[row, :length].tolist()]
        if positions:
            h = [plus(v, eq.encoder.sinusoid(j, 5)) for j, v in enumerate(h)]
        for kernel in kernels:
            h = eq.encoder.convolution(h, kernel, kernel_size)
        assert_close(encoded.memory[row, :length], h)


def test_feed_forward() -> None:
    encoder = build("encoder", "feed_forward", 3, hidden_size=5)
    with torch.no_grad():
        encoder.map.bias.copy_(randn(5))
    x = source()
    encoded = encoder(x, mask())
    layer = affine(encoder.map.weight, encoder.map.bias)
    for row, length in enumerate(LENGTHS):
        assert_close(encoded.memory[row, :length], eq.encoder.feed_forward(x[row, :length].tolist(), layer))


def test_an_even_kernel_is_refused() -> None:
    with pytest.raises(PartError, match="kernel_size 4 is even"):
        build("encoder", "conv", 3, hidden_size=5, kernel_size=4)


def test_sinusoids_by_hand() -> None:
    assert eq.encoder.sinusoid(0, 5) == [0, 1, 0, 1, 0]
    found = eq.encoder.sinusoid(3, 4)
    assert found == pytest.approx([0.1411200080598672, -0.9899924966004454, 0.02999550020249566, 0.9995500337489875])


def transformer_layer(layer: Any, size: int) -> eq.encoder.TransformerLayer:
    attention = layer.self_attn
    rows = zip(attention.in_proj_weight.split(size), attention.in_proj_bias.split(size), strict=True)
    query, key, value = (affine(weight, bias) for weight, bias in rows)
    linear = (affine(part.weight, part.bias) for part in (attention.out_proj, layer.linear1, layer.linear2))
    return eq.encoder.TransformerLayer(query, key, value, *linear, norm(layer.norm1), norm(layer.norm2))


@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("grad", [True, False])
def test_transformer(heads: int, norm_first: bool, grad: bool) -> None:
    """Without gradients, torch uses another implementation."""
    options = {"heads": heads, "feed_forward_size": 7, "norm_first": norm_first, "layers": 2}
    encoder = build("encoder", "transformer", 3, hidden_size=6, **options).eval()
    x = source()
    with torch.set_grad_enabled(grad):
        encoded = encoder(x, mask())
    assert not encoded.memory[~mask()].any()
    embed = affine(encoder.map.weight, encoder.map.bias)
    for row, length in enumerate(LENGTHS):
        h = [plus(embed(v), eq.encoder.sinusoid(j, 6)) for j, v in enumerate(x[row, :length].tolist())]
        for layer in encoder.layers.layers:
            h = eq.encoder.transformer_layer(h, transformer_layer(layer, 6), heads=heads, norm_first=norm_first)
        if norm_first:
            h = [norm(encoder.layers.norm)(v) for v in h]
        assert_close(encoded.memory[row, :length], h)


def test_layers_of_a_transformer_are_initialized_differently() -> None:
    encoder = partial(build, "encoder", "transformer", 3, hidden_size=6)()
    first, second = (layer.linear1.weight for layer in encoder.layers.layers)
    assert not torch.equal(first, second)


def test_heads_that_do_not_divide_are_refused() -> None:
    with pytest.raises(PartError, match="4 heads do not divide a hidden_size of 6"):
        build("encoder", "transformer", 3, hidden_size=6, heads=4)


@pytest.mark.parametrize("name", ["conv", "transformer"])
def test_dropout_is_only_used_in_training(name: str) -> None:
    encoder = build("encoder", name, 3, hidden_size=6, dropout=0.5)
    x = source()
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("error")
        trained = [encoder.train()(x, mask()).memory for _ in range(2)]
        tested = [encoder.eval()(x, mask()).memory for _ in range(2)]
    assert not torch.equal(*trained)
    assert torch.equal(*tested)
