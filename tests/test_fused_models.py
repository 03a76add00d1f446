"""Kernels of whole models: embedded symbols, encoders with several layers, and unsupported cases."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import seqtool
from seqtool.build.assembly import Assembly, assemble
from seqtool.build.kernels import install
from seqtool.nn.gate_recording import record_gates
from seqtool.registry import default_registry
from seqtool_fused.model import DecodeKernel, EncodeKernel

RECIPE = """
seqtool: 1
name: small
task: {{type: reverse, length: 9, min_length: 1, symbols: 17, ending: eos}}
model:
  embedding: {embedding}
  encoder: {{type: rnn, cell: {{type: {cell}, hidden_size: 21}}, {encoder}}}
  decoder: {{cell: {{type: {cell}, hidden_size: 21}}, {decoder}}}
train: {{steps: 1, batch_size: 16, optimizer: {{type: adam, lr: 1e-3}}}}
"""
ATTENTION = "attention: {scorer: additive, normalizer: softmax}"
DECODERS = {
    "plain": "type: plain, bridge: linear",
    "before": f"type: attend_before, {ATTENTION}",
    "before, x asks": f"type: attend_before, query: [output, input], features: [output, input], {ATTENTION}",
    "after": f"type: attend_after, attentional_size: 6, input_feeding: true, bridge: linear, {ATTENTION}",
}
ENCODERS = {
    "one way": "bidirectional: false",
    "both ways": "bidirectional: true",
    "two layers": "bidirectional: true, layers: 2",
    "residual": "layers: 3, residual: true",
}
EMBEDDINGS = {"learned": "{type: learned, embedding_size: 21}", "one_hot": "one_hot"}


def assembled(tmp_path: Path, **parts: str) -> Assembly:
    recipe = tmp_path / "small.yaml"
    given = {"embedding": EMBEDDINGS["learned"], "encoder": ENCODERS["both ways"], "cell": "lstm"} | parts
    recipe.write_text(RECIPE.format(**{"decoder": DECODERS["plain"], **given}))
    (variant,) = seqtool.load_recipe(recipe).variants.values()
    made = assemble(variant, seed=0)
    with (
        torch.no_grad()
    ):  # makes attention depend on the query, and avoids gradients that are differences of large numbers
        for parameter in made.model.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(parameter.numel()), std=0.4)
    return made


def batch_of(made: Assembly, size: int = 16) -> Any:
    return made.task.batch("train", 0, seed=0, rank=0, batch_size=size, device=torch.device("cpu"))


def with_kernels(model: nn.Module) -> nn.Module:
    install(model, "fused", default_registry(), torch.device("cpu"), torch.float32)
    return model


def gradients(model: nn.Module, batch: Any) -> list[Tensor]:
    logits, weights = model(batch)
    total = (logits**2).sum() + (0 if weights is None else (weights**2).sum())
    found = torch.autograd.grad(total, [*model.parameters()], allow_unused=True)
    return [logits, *(torch.zeros_like(p) if g is None else g for p, g in zip(model.parameters(), found, strict=True))]


def largest_error(found: list[Tensor], wanted: list[Tensor]) -> float:
    """The largest difference relative to the largest absolute value of its tensor."""
    pairs = [(a.detach().double(), b.detach()) for a, b in zip(found, wanted, strict=True)]
    return max(float((a - b).abs().max() / b.abs().max().clamp(min=1e-6)) for a, b in pairs)


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The methods of models that kernels computed, in order."""
    computed: list[str] = []

    def watch(kernel: Any) -> None:
        own = kernel.__call__

        def call(self: Any, *arguments: Any) -> Any:
            computed.append(self.method)
            return own(self, *arguments)

        monkeypatch.setattr(kernel, "__call__", call)

    for kernel in (EncodeKernel, DecodeKernel):
        watch(kernel)
    return computed


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("embedding", EMBEDDINGS)
@pytest.mark.parametrize("decoder", DECODERS)
def test_models_whose_kernels_project_each_symbol_once(
    tmp_path: Path, lookups: list[str], embedding: str, decoder: str, cell: str
) -> None:
    made = assembled(tmp_path, embedding=EMBEDDINGS[embedding], decoder=DECODERS[decoder], cell=cell)
    batch = batch_of(made)
    wanted = gradients(copy.deepcopy(made.model).double(), batch)
    error = largest_error(gradients(with_kernels(made.model), batch), wanted)
    assert error <= 1e-5
    assert lookups == ["encode", "decode"]


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("layers", ENCODERS)
def test_encoders_of_layers(tmp_path: Path, lookups: list[str], layers: str, cell: str) -> None:
    made = assembled(tmp_path, encoder=ENCODERS[layers], decoder=DECODERS["before"], cell=cell)
    batch = batch_of(made)
    wanted = gradients(copy.deepcopy(made.model).double(), batch)
    error = largest_error(gradients(with_kernels(made.model), batch), wanted)
    assert error <= 1e-5
    assert lookups == (["decode"] if layers == "residual" else ["encode", "decode"])


def test_few_positions_are_projected_individually(tmp_path: Path, lookups: list[str]) -> None:
    made = assembled(tmp_path, decoder=DECODERS["before"])
    batch = batch_of(made, 1)
    wanted = gradients(copy.deepcopy(made.model).double(), batch)
    error = largest_error(gradients(with_kernels(made.model), batch), wanted)
    assert error <= 1e-5
    assert not lookups


def test_narrow_vectors_are_projected_individually(tmp_path: Path, lookups: list[str]) -> None:
    made = assembled(tmp_path, embedding="{type: learned, embedding_size: 15}")
    batch = batch_of(made)
    wanted = gradients(copy.deepcopy(made.model).double(), batch)
    error = largest_error(gradients(with_kernels(made.model), batch), wanted)
    assert error <= 1e-5
    assert not lookups


def test_gates_can_be_recorded_and_kernels_are_used_again_afterwards(tmp_path: Path, lookups: list[str]) -> None:
    made = assembled(tmp_path)
    batch = batch_of(made)
    model: Any = with_kernels(made.model)
    with torch.no_grad(), record_gates(model) as gates:
        model(batch)
    assert {name.partition("/")[0] for name in gates} == {"encoder.cells.0", "encoder.cells.1", "decoder.cell"}
    assert not lookups
    model(batch)
    assert lookups == ["encode", "decode"]


def test_a_gradient_of_a_gradient_reaches_the_table(tmp_path: Path) -> None:
    made = assembled(tmp_path, decoder=DECODERS["before, x asks"])
    batch = batch_of(made)

    def second(model: Any) -> Tensor:
        logits, _ = model(batch)
        table = model.source_embedding.vectors.weight
        (first,) = torch.autograd.grad((logits**2).sum(), [table], create_graph=True)
        (found,) = torch.autograd.grad((first**2).sum(), [table])
        return found

    wanted = second(copy.deepcopy(made.model).double())
    error = largest_error([second(with_kernels(made.model))], [wanted])
    assert error <= 1e-3
