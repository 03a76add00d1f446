"""Wrong input is reported with an exit code before anything is trained or written."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from seqtool.build.device_support import refuse_float64
from seqtool.cli import main
from seqtool.errors import SeqtoolError

RECIPE = """\
seqtool: 1
name: tiny
task: {type: alignment, source_length: 6, target_length: 3, symbols: 2}
model:
  encoder: {type: rnn, cell: {type: rnn, hidden_size: 4}}
  decoder:
    type: attend_before
    cell: {type: gru, hidden_size: 4}
    attention: {scorer: dot}
train: {steps: 4, batch_size: 2, validate_every: 2, validation_batches: 1, validation_batch_size: 2, accelerator: cpu}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE)
    return path


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str]:
    """The exit code and stderr; stdout must be empty."""
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert stopped.value.code in (1, 2)
    assert not out
    assert "Traceback" not in err
    return int(stopped.value.code), err


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        ("model.encoder.cell.hidden_sise=4", "hidden_sise", "hidden_size"),
        ("model.encoder.cell.hidden_size=5", "model.decoder.attention.scorer", "the query has 4, the memory 5"),
        ("task.target_length=7", "task.target_length", "does not fit into a source of 6"),
        ("model.decoder.attention.heads=3", "model.decoder.attention.heads", "3 heads do not divide"),
        ("model.decoder={type: plain, bridge: zero, cell: rnn}", "model.decoder", "hidden_size"),
        ("model.decoder.attention=null", "model.decoder", "never sees the source"),
        ("model.decoder.attention.scorer={type: dense, max_length: 4}", "allowed: max_length", "6 positions is longer"),
        (
            "model={encoder: {type: pyramid, cell: {type: gru, hidden_size: 4}}, decoder: {type: pointer, "
            "cell: {type: gru, hidden_size: 8}, attention: {scorer: dot}}}",
            "model",
            "a memory as long as the source",
        ),
        ("model.encoder={type: pyramid, halvings: 200, cell: {type: gru, hidden_size: 4}}", "halvings", "100"),
        ("train.schedule={type: exponential, gamma: 1e300}", "gamma", "1"),
        ("model.decoder.cell={type: gru, hidden_size: 900000}", "model.decoder.attention.scorer", "equal sizes"),
    ],
)
def test_impossible_recipes_are_refused(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, place: str, words: str
) -> None:
    code, told = refused(capsys, "run", recipe, "--set", change, "--out", tmp_path / "out")
    assert code == 2
    assert place in told
    assert words in told
    assert "--set" in told or "tiny.yaml:" in told
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "change",
    [
        "model.decoder.bridge=linear",
        "model.decoder.bridge=copy",
        "model.decoder={type: plain, cell: {type: gru, hidden_size: 4}}",
        "model.decoder={type: plain, bridge: zero, repeat: true, cell: {type: gru, hidden_size: 9}}",
    ],
)
def test_possible_recipes_are_accepted(recipe: Path, change: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["validate", str(recipe), "--set", change])
    assert not stopped.value.code


def test_a_model_too_large_for_the_machine(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changes = ("--set", "model.decoder.cell.hidden_size=900000", "--set", "model.encoder.cell.hidden_size=900000")
    _, told = refused(capsys, "validate", recipe, *changes)
    assert "GiB, and this machine has" in told


def test_the_encoder_decoder_needs_a_bridge_that_fits(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change = "model.decoder={type: plain, cell: {type: lstm, hidden_size: 4}}"
    _, told = refused(capsys, "validate", recipe, "--set", change)
    assert "the final states of the encoder have [4], the state of the decoder's cell [4, 4]" in told
    assert "'linear'" in told


@pytest.mark.parametrize(
    ("device", "code", "words"),
    [
        ("cuda:7", 1, "no such device"),
        ("cpuu", 2, "did you mean 'cpu'"),
        ("tpu", 2, "unknown device 'tpu'"),
    ],
)
def test_devices(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], device: str, code: int, words: str
) -> None:
    found, told = refused(capsys, "run", recipe, "--device", device, "--out", tmp_path / "out")
    assert found == code
    assert words in told
    assert not (tmp_path / "out").exists()


def test_an_unknown_strategy(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, told = refused(capsys, "run", recipe, "--set", "train.strategy=dpp", "--dry-run")
    assert "did you mean 'ddp'" in told


def test_a_run_folder_that_exists(recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/precious").write_text("mine")
    code, told = refused(capsys, "run", recipe, "--out", tmp_path / "out")
    assert code == 1
    assert "already exists" in told
    assert "--resume" in told
    assert os.listdir(tmp_path / "out") == ["precious"]


def test_an_output_folder_below_a_file(recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = refused(capsys, "run", recipe, "--out", recipe / "out")
    assert code == 1
    assert f"cannot write {recipe / 'out'}" in told


def test_a_full_disk_is_reported_and_leaves_no_incomplete_file(recipe: Path, tmp_path: Path) -> None:
    """Files are limited to 12 KiB, which is enough for run.json, metrics and a snapshot, but not for checkpoints."""
    done = subprocess.run(
        [sys.executable, "-m", "seqtool", "run", recipe, "--out", tmp_path / "out", "--quiet"],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (12 << 10, 12 << 10)),
    )
    assert done.returncode == 1
    assert "error: cannot write" in done.stderr
    assert "best.ckpt" in done.stderr
    assert "Traceback" not in done.stderr
    names = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    plan = {".lock", "recipe.yaml", "resolved.yaml", "task.json", "run.json", "environment.json"}
    assert names == {*plan, "metrics.csv", "2.npz", "examples.jsonl"}


def test_folders_that_are_not_runs_are_not_resumed(
    tmp_path: Path, recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, told = refused(capsys, "run", "--resume", tmp_path)
    assert "is not a run" in told
    code, told = refused(capsys, "run")
    assert code == 2
    assert "a recipe or --resume with a run is required" in told
    (tmp_path / "run.json").write_text('{"format": 2}')
    _, told = refused(capsys, "run", "--resume", tmp_path)
    assert "format 2" in told
    (tmp_path / "run.json").write_text('{"format"')
    _, told = refused(capsys, "run", "--resume", tmp_path)
    assert "cannot read" in told


def test_unknown_variants(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = refused(capsys, "run", "align_60_20", "--variant", "atentive", "--dry-run")
    assert code == 2
    assert "did you mean 'attentive'" in told


@pytest.mark.filterwarnings("ignore:.*training diverges")  # before the loss is no longer finite
@pytest.mark.parametrize(
    "changes",
    [
        ["train.optimizer={type: sgd, lr: 1e38}", "train.steps=40", "train.log_every=1"],
        ["train.optimizer={type: adam, lr: 1e38}", "train.steps=1"],  # only the validation uses the last update
        ["train.optimizer={type: adam, lr: 1e38}", "train.validate_every=1", "train.early_stopping={patience: 1}"],
    ],
)
def test_a_non_finite_loss_is_reported(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: list[str]
) -> None:
    flags = [word for change in changes for word in ("--set", change)]
    code, told = refused(capsys, "run", recipe, "--out", tmp_path / "out", "--quiet", *flags)
    assert code == 1
    assert "no longer finite at step" in told
    assert "clip_norm" in told


def test_clipping_a_fused_optimizer_under_mixed_precision(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changes = ("--set", "train.precision=16-mixed", "--set", "train.clip_norm=1.0")
    _, told = refused(capsys, "validate", recipe, *changes)
    assert "optimizer.fused: false" in told


def test_float64_is_refused_on_devices_without_it() -> None:
    with pytest.raises(SeqtoolError, match="64-true needs float64, which MPS devices do not support"):
        refuse_float64(torch.device("mps"), "64-true")
    for device, precision in (("mps", "32-true"), ("cpu", "64-true"), ("cuda", "64-true")):
        refuse_float64(torch.device(device), precision)
