"""Attention weights and gates stored in a run, and their figure."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import seqtool
from seqtool.analysis.alignments import Alignment, alignment_with_gate
from seqtool.nn.gate_recording import record_gates
from seqtool.runs import RunDirectory
from seqtool.runs.read import read_run

SHORT = ("train.steps=2", "train.validation_batches=1")


def encoder(cell: str, **options: object) -> torch.nn.Module:
    return seqtool.make("encoder/rnn", 3, cell={"type": cell, "hidden_size": 5}, **options)


def test_recorded_gates_are_those_of_each_step() -> None:
    built, x, mask = encoder("lstm", bidirectional=True), torch.randn(2, 4, 3), torch.ones(2, 4, dtype=torch.bool)
    before = built(x, mask).memory
    with record_gates(built) as gates:
        assert torch.allclose(built(x, mask).memory, before, atol=1e-6)
    assert set(gates) == {f"cells.{i}/{gate}" for i in (0, 1) for gate in ("input", "forget", "output")}
    for name, first in (("cells.0", x[:, 0]), ("cells.1", x[:, 3])):
        cell = built.get_submodule(name)
        for gate, value in cell.gates(first, *cell.start(2, x)).items():
            assert torch.equal(gates[f"{name}/{gate}"][0], value)
        assert len(gates[f"{name}/input"]) == 4


def test_recording_restores_the_cells() -> None:
    built = encoder("gru")
    before = list(built.named_modules())
    with pytest.raises(KeyError), record_gates(built):
        raise KeyError
    assert list(built.named_modules()) == before


def test_a_shared_cell_is_recorded_under_its_first_path() -> None:
    built, x, mask = encoder("gru", bidirectional=True), torch.randn(2, 4, 3), torch.ones(2, 4, dtype=torch.bool)
    built.set_submodule("cells.1", built.get_submodule("cells.0"))
    with record_gates(built) as gates:
        built(x, mask)
    assert {(name.partition("/")[0], len(steps)) for name, steps in gates.items()} == {("cells.0", 8)}
    assert built.get_submodule("cells.0") is built.get_submodule("cells.1")


def test_gates_of_a_wrapped_cell_are_those_of_the_wrapper() -> None:
    built = seqtool.make("encoder/rnn", 3, cell={"type": "zoneout", "cell": {"type": "lstm", "hidden_size": 5}})
    with record_gates(built) as gates:
        built(torch.randn(2, 4, 3), torch.ones(2, 4, dtype=torch.bool))
    assert set(gates) == {"cells.0/input", "cells.0/forget", "cells.0/output"}
    assert all(len(steps) == 4 for steps in gates.values())


@pytest.mark.parametrize("inner", ["gru", "lstm", "phased_lstm"])
def test_gates_of_a_stack_with_dropout_are_recorded(inner: str) -> None:
    stack = {"type": "stack", "cell": {"type": inner, "hidden_size": 5}}
    built = seqtool.make("encoder/rnn", 3, cell={"type": "variational_dropout", "cell": stack, "recurrent": 0.5})
    with record_gates(built.train()) as gates:
        built(torch.randn(2, 4, 3), torch.ones(2, 4, dtype=torch.bool))
    assert {name.partition(".")[0] for name in gates} == {"cells"}
    assert {name.rpartition("/")[2].partition(".")[0] for name in gates} == {"layer1", "layer2"}
    assert all(len(steps) == 4 for steps in gates.values())


def test_a_run_stores_gates_only_on_request(small: Path, tmp_path: Path) -> None:
    seqtool.run(small, out=tmp_path / "plain", overrides=SHORT)
    assert not (tmp_path / "plain/default/seed0/gates.npz").exists()
    seqtool.run(small, out=tmp_path / "asked", overrides=[*SHORT, "train.gates=true"])
    place = tmp_path / "asked/default/seed0"
    with np.load(place / "gates.npz") as gates, np.load(place / "alignments.npz") as arrays:
        examples, _, steps, memory = arrays["weights"].shape
        assert gates["encoder.cells.0/input"].shape == (examples, memory, 8)
        assert gates["decoder.cell/update"].shape == (examples, steps, 8)
        assert arrays["memory_mask"].shape == (examples, memory)
        assert np.allclose(arrays["weights"].sum(3)[:, :, 0], 1, atol=1e-5)
        assert not arrays["weights"].swapaxes(1, 3)[~arrays["memory_mask"]].any()
    for run in ("plain", "asked"):
        assert (tmp_path / run / "weights.png").read_bytes().startswith(b"\x89PNG")


def first_look(run: Path) -> Alignment:
    (seed,) = read_run(run).seeds
    return alignment_with_gate("default", seed, 0)


def test_the_first_example_is_drawn(small: Path, tmp_path: Path) -> None:
    seqtool.run(small, out=tmp_path / "run", overrides=[*SHORT, "train.gates=true"])
    place = RunDirectory.open(tmp_path / "run").seed("default", 0)
    look, example = first_look(tmp_path / "run"), place.read_predictions()[0]
    assert (look.source, look.predicted) == (example["source"], example["predicted"])
    assert look.weights.shape == (len(look.predicted), len(look.source))
    assert look.gate.shape == (8, 9)
    assert [look.source[place] for place in look.gold if place >= 0] == example["target"]


def test_a_shortened_memory_is_drawn_without_source_symbols(small: Path, tmp_path: Path) -> None:
    pyramid = "model.encoder={type: pyramid, halvings: 1, cell: {type: gru, hidden_size: 8}}"
    seqtool.run(small, out=tmp_path / "run", overrides=[*SHORT, pyramid])
    look = first_look(tmp_path / "run")
    assert set(look.source) == {""}
    assert not (look.gold >= 0).any()


def test_without_attention_there_is_no_figure(small: Path, tmp_path: Path) -> None:
    overrides = [*SHORT, "model.decoder={type: plain, cell: {type: gru, hidden_size: 8}, bridge: linear}"]
    seqtool.run(small, out=tmp_path / "run", overrides=overrides)
    assert not (tmp_path / "run/weights.png").exists()


def test_a_quiet_run_prints_only_its_table(small: Path, tmp_path: Path, command: Callable[..., object]) -> None:
    flags = [word for setting in SHORT for word in ("--set", setting)]
    done = command("run", small, "--quiet", "--out", tmp_path / "run", *flags)
    assert (done.returncode, done.stderr) == (0, "")
