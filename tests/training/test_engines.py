"""Engines: chosen by the recipe, recorded in the run, and independent of checkpoints."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from small_run import rows

import seqtool
from seqtool.build.kernels import install
from seqtool.errors import SeqtoolError
from seqtool.registry import default_registry, discover


def environment(run: Path) -> dict[str, object]:
    return json.loads((run / "default/seed0/environment.json").read_text())


def test_auto_uses_available_kernels_and_records_them(small: Path, tmp_path: Path) -> None:
    seqtool.run(small, out=tmp_path / "run")
    found = environment(tmp_path / "run")
    assert found["engine"] == "auto"
    assert found["kernels"]["encoder.cells.0.unroll"] == "fused:lstm"
    assert found["kernels"]["encoder.cells.1.unroll"] == "fused:lstm"
    assert found["kernels"]["decoder.attention.scorers.0.score"] == "fused:additive"
    assert found["kernels"]["optimizer.step"] == "fused:adam"
    assert found["kernels"]["optimizer.clip"] == "fused:clip"


@pytest.mark.parametrize("optimizer", ["{type: adam, lr: 3e-3}", "{type: adamw, lr: 3e-3, weight_decay: 0.1}"])
def test_auto_and_reference_give_similar_results(small: Path, tmp_path: Path, optimizer: str) -> None:
    for engine in ("auto", "reference"):
        changes = [f"train.engine={engine}", f"train.optimizer={optimizer}", "train.clip_norm=0.5"]
        seqtool.run(small, out=tmp_path / engine, overrides=changes)
    assert environment(tmp_path / "reference")["kernels"] == {}
    losses = [
        [float(row["train_loss"]) for row in rows(tmp_path / engine / "default/seed0") if row["train_loss"]]
        for engine in ("auto", "reference")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert losses[0] != losses[1], "no kernel was used"
    states = [
        torch.load(tmp_path / engine / "default/seed0/last.ckpt", weights_only=True)["state_dict"]
        for engine in ("auto", "reference")
    ]
    assert states[0].keys() == states[1].keys()


@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_a_loaded_run_uses_the_engine_of_its_training(small: Path, tmp_path: Path, engine: str) -> None:
    seqtool.run(small, out=tmp_path / "run", overrides=["train.steps=2", f"train.engine={engine}"])
    predictor = seqtool.load(tmp_path / "run")
    assert ("unroll" in predictor.model.encoder.cells[0].kernels) == (engine == "auto")


def test_float64_uses_the_reference_and_records_the_reason(small: Path, tmp_path: Path) -> None:
    seqtool.run(small, out=tmp_path / "run", overrides=["train.precision=64-true", "train.steps=2"])
    reasons = environment(tmp_path / "run")["kernels"]["encoder.cells.0.unroll"]["reference"]
    assert reasons == {"fused:lstm": "it supports float32, and this is float64"}


def test_mixed_precision_uses_the_reference_and_records_the_reason(small: Path, tmp_path: Path) -> None:
    seqtool.run(
        small, out=tmp_path / "run", overrides=["train.precision=bf16-mixed", "train.steps=2", "train.clip_norm=null"]
    )
    reasons = environment(tmp_path / "run")["kernels"]["encoder.cells.0.unroll"]["reference"]
    assert reasons == {"fused:lstm": "it does not support mixed precision"}


def test_fused_without_any_kernel_is_refused_with_reasons(small: Path, tmp_path: Path) -> None:
    with pytest.raises(SeqtoolError, match=r"(?s)no kernel supports.*encoder.cells.0: fused:lstm: .*float64.*allowed"):
        seqtool.run(small, out=tmp_path / "run", overrides=["train.engine=fused", "train.precision=64-true"])


def test_without_a_compiler_the_reference_is_used(
    small: Path, tmp_path: Path, spawn: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    bare = {"CC": "no-such-compiler", "XDG_CACHE_HOME": str(tmp_path)}
    done = spawn("run", small, "--out", tmp_path / "run", "--set", "train.steps=3", **bare)
    assert done.returncode == 0, done.stderr
    reasons = environment(tmp_path / "run")["kernels"]["encoder.cells.0.unroll"]["reference"]
    assert reasons == {"fused:lstm": "no C compiler was found (no-such-compiler)"}
    told = spawn("doctor", **bare)
    assert told.returncode == 0
    assert "no C compiler was found (no-such-compiler)" in told.stdout


def test_a_kernel_for_another_device_is_refused() -> None:
    cell = seqtool.make("cell/lstm", 3, hidden_size=4)
    (choice,) = install(cell, "auto", default_registry(), torch.device("cuda"), torch.float32)
    assert choice.reasons == {"fused:lstm": "it supports cpu, and this is cuda"}
    assert not cell.kernels


def test_without_plugins_there_is_no_kernel() -> None:
    cell = seqtool.make("cell/lstm", 3, hidden_size=4)
    empty = discover(disabled=["fused", "triton"])
    assert install(cell, "auto", empty, torch.device("cpu"), torch.float32) == []
    with pytest.raises(SeqtoolError, match="available kernels: none"):
        install(cell, "fused", empty, torch.device("cpu"), torch.float32)


def test_compiled_reports_errors_of_torch(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> object:
        raise RuntimeError("no compiler\nmore")

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.raises(SeqtoolError, match=r"torch.compile does not work on this machine: no compiler\n"):
        seqtool.run(small, out=tmp_path / "run", overrides=["train.engine=compiled"])


@pytest.mark.slow
def test_compiled_gives_similar_results(
    small: Path, tmp_path: Path, spawn: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    flags = ["--set", "train.steps=6", "--set", "train.validate_every=6", "--set", "task.min_target_length=4"]
    flags += ["--set", "task.min_source_length=9", "--set", "task.target_length=4"]
    for engine in ("compiled", "reference"):
        done = spawn("run", small, "--out", tmp_path / engine, "--set", f"train.engine={engine}", *flags, timeout=900)
        assert done.returncode == 0, done.stderr
    found = environment(tmp_path / "compiled")["kernels"]
    assert found["decoder.unroll"] == "torch.compile"
    assert found["encoder.cells.0.unroll"] == "fused:lstm"
    losses = [
        json.loads((tmp_path / engine / "default/seed0/result.json").read_text())["train_loss"]
        for engine in ("compiled", "reference")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_a_training_restores_torchs_flags(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    seqtool.run(small, out=tmp_path / "run", overrides=["train.deterministic=true", "train.steps=2"])
    assert not torch.are_deterministic_algorithms_enabled()
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
