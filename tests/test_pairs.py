"""Each pair of registered decoders, scorers, cells and normalizers takes a training step and decodes free-running."""

import math
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

import seqtool
from seqtool.errors import PartError
from seqtool.nn.attention import Attention
from seqtool.nn.feeding import Feeding
from seqtool.nn.model import Seq2Seq
from seqtool.registry import Registered, default_registry
from seqtool.registry.signature import read_constructor
from seqtool.testing import STAND_INS, example_options

CPU = torch.device("cpu")
STEPS = 4


def pairs(first: str, second: str) -> list[object]:
    parts = [default_registry().parts(kind) for kind in (first, second)]
    return [pytest.param(a, b, id=f"{a.name}-{b.name}") for a in parts[0] for b in parts[1]]


def filled(part: Registered, **slots: Any) -> partial[Any]:
    """A part with its required options, and with those of `slots` that it has.

    A decoder that wraps others contains `attend_before` with these slots.
    """
    cls = part.load()
    names = {option.name for option in read_constructor(cls).options}
    options = example_options(cls) | {name: slot for name, slot in slots.items() if name in names}
    if part.kind == "decoder" and "decoder" in names:
        options["decoder"] = filled(default_registry().find("decoder", "attend_before"), **slots)
    return partial(cls, **options)


def train_and_decode(cell: Any, decoder: Any) -> None:
    """Train a model with `cell` in encoder and decoder on the copy task, then decode free-running."""
    torch.manual_seed(0)
    task = seqtool.make("task/copy", length=STEPS, min_length=2, symbols=3)
    source = STAND_INS["embedding"](task.source_vocabulary)
    encoder = seqtool.make("encoder/rnn", source.output_size, cell=cell)
    # of the memory's size, which attend_only and inner products require
    target = seqtool.make("embedding/learned", task.target_vocabulary, embedding_size=encoder.memory_size)
    built = decoder(target.output_size, encoder.memory_size, encoder.final_sizes, task.target_vocabulary.num_outputs)
    model = Seq2Seq(source, target, encoder, built, task.target_vocabulary, task.copy_map).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)  # gradients may vanish at zeros
    batch = task.batch("train", 0, seed=0, rank=0, batch_size=5, device=CPU)
    loss = seqtool.make("loss/cross_entropy")

    def total() -> Tensor:
        torch.manual_seed(1)  # for parts that draw random numbers in training
        return loss(*model(batch), batch)[0]

    first = total()
    first.backward()
    gradients = {p: p.grad for p in model.parameters() if p.grad is not None}
    norm = torch.stack([gradient.norm() for gradient in gradients.values()]).norm()
    assert 0 < norm < math.inf
    with torch.no_grad():
        for parameter, gradient in gradients.items():
            parameter -= 1e-4 * gradient / norm
        assert total() < first, "a small step against the gradient decreases the loss of the same batch"
        found = seqtool.make("search/greedy").search(model.eval(), batch.source, batch.source_mask, STEPS)
        logits, weights = model(batch, Feeding(0.0))
    assert torch.equal(logits.argmax(-1), found.ids[:, 0])
    assert found.ids.shape == (5, 1, STEPS)
    assert found.scores.isfinite().all()
    assert (weights is None) == (found.weights is None) == (not built.num_heads)
    if found.weights is not None:
        assert found.weights.isfinite().all()
        assert not found.weights.movedim(4, 1)[~batch.source_mask].any()


@pytest.mark.parametrize(("decoder", "scorer"), pairs("decoder", "scorer"))
def test_decoder_with_scorer(decoder: Registered, scorer: Registered) -> None:
    attention = partial(Attention, scorer=filled(scorer), normalizer=STAND_INS["normalizer"])
    cell = STAND_INS["cell"]
    train_and_decode(cell, filled(decoder, cell=cell, attention=attention))


@pytest.mark.parametrize(("cell", "decoder"), pairs("cell", "decoder"))
def test_cell_with_decoder(cell: Registered, decoder: Registered) -> None:
    attention = partial(Attention, scorer=STAND_INS["scorer"], normalizer=STAND_INS["normalizer"])
    made = filled(cell)
    train_and_decode(made, filled(decoder, cell=made, attention=attention))


@pytest.mark.parametrize(("decoder", "normalizer"), pairs("decoder", "normalizer"))
@pytest.mark.filterwarnings("ignore:.*takes scores as logarithms")
def test_decoder_with_normalizer(decoder: Registered, normalizer: Registered) -> None:
    attention = partial(Attention, scorer=STAND_INS["scorer"], normalizer=filled(normalizer))
    cell = STAND_INS["cell"]
    made = filled(decoder, cell=cell, attention=attention)
    if "copy_map" in decoder.load().requires and not normalizer.load().normalized:
        with pytest.raises(PartError, match="do not sum to one"):
            train_and_decode(cell, made)
    else:
        train_and_decode(cell, made)


@pytest.mark.parametrize(("scorer", "normalizer"), pairs("scorer", "normalizer"))
@pytest.mark.filterwarnings("ignore:.*takes scores as logarithms")
def test_scorer_with_normalizer(scorer: Registered, normalizer: Registered) -> None:
    attention = partial(Attention, scorer=filled(scorer), normalizer=filled(normalizer))
    cell = STAND_INS["cell"]
    train_and_decode(cell, filled(default_registry().find("decoder", "attend_before"), cell=cell, attention=attention))
