"""Correctness of whole runs on a device: training in each precision, determinism, resuming, and commands."""

import json
import math
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from click.testing import CliRunner

from benchmarks.gpu.report import FailedError, Item, Setting, SkippedError
from seqtool.cli import group
from seqtool.errors import SeqtoolError
from seqtool.experiment import run
from seqtool.runs import RunDirectory
from seqtool.training.checkpoint_io import AtomicCheckpointIO

PRECISIONS = ("16-mixed", "bf16-mixed", "bf16-true")


def items(setting: Setting) -> Iterator[Item]:
    """Training in float32, determinism, resuming and commands, then the other precisions."""
    yield Item("trains in 32-true", partial(_trains, "32-true", setting))
    yield Item("two runs are equal", partial(_equal, setting))
    yield Item("resumed bit for bit", partial(_resumed, setting))
    yield Item("predict, evaluate, intervene", partial(_verbs, setting))
    for precision in PRECISIONS:
        yield Item(f"trains in {precision}", partial(_trains, precision, setting))


RECIPE = """seqtool: 1
name: tiny
seeds: [0]
task: {type: alignment, source_length: 12, target_length: 4, symbols: 4}
model:
  embedding: {type: learned, embedding_size: 16}
  encoder: {type: rnn, bidirectional: true, cell: {type: lstm, hidden_size: 16}}
  decoder:
    type: attend_after
    cell: {type: lstm, hidden_size: 16}
    attention: {scorer: additive, normalizer: softmax}
    attentional_size: 16
    input_feeding: true
    bridge: linear
train: {steps: 60, batch_size: 32, validate_every: 30, optimizer: {type: adam, lr: 1e-2}, clip_norm: 1.0, log_every: 5}
"""


def _train(folder: str, setting: Setting, *changes: str, out: str = "run") -> RunDirectory:
    """A run of the tiny recipe on the device."""
    path = Path(folder) / "tiny.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    count = 20 if setting.quick else 60
    overrides = [f"train.steps={count}", f"train.validate_every={count // 2}", *changes]
    _run(path, out=Path(folder) / out, overrides=overrides, device=str(setting.device))
    return RunDirectory.open(Path(folder) / out)


def _run(*arguments: Any, **named: Any) -> None:
    """`run`, with torch's deterministic mode switched off afterwards."""
    try:
        run(*arguments, **named)
    finally:
        torch.use_deterministic_algorithms(False)


def _trains(precision: str, setting: Setting) -> tuple[list[str], Any]:
    """Losses are finite and decrease."""
    if precision == "16-mixed" and setting.device.type == "cpu":
        raise SkippedError("16-mixed needs an accelerator")
    if precision.startswith("bf16") and setting.device.type == "cpu":
        raise SkippedError("needs a processor with bfloat16 instructions")
    with tempfile.TemporaryDirectory() as folder:
        changes = [f"train.precision={precision}"]
        changes += ["train.optimizer.fused=false"] * (precision == "16-mixed")
        directory = _train(folder, setting, *changes)
        (seed,) = _seeds(directory)
        losses = [float(row["train_loss"]) for row in seed.read_metrics() if row["train_loss"]]
        environment = json.loads(seed.environment.read_text())
    line = f"loss {losses[0]:.4f} -> {losses[-1]:.4f}; step {environment.get('step', 'eager')}"
    if not all(map(math.isfinite, losses)) or not losses[-1] < losses[0]:
        raise FailedError(f"{line}: it is not finite or does not decrease")
    graphed = setting.device.type == "cuda" and precision != "16-mixed"
    if (environment["step"]["runs"] == "graphed") != graphed:
        raise FailedError(f"{line}: expected {'graphs' if graphed else 'no graphs'}")
    return [line], {"losses": losses, "environment": environment}


def _seeds(directory: RunDirectory) -> list[Any]:
    plan = directory.read_plan()
    return [directory.seed(variant, seed) for variant in plan["variants"] for seed in plan["seeds"]]


def _equal(setting: Setting) -> tuple[list[str], Any]:
    """Two runs with `deterministic: true` have bit-equal parameters."""
    with tempfile.TemporaryDirectory() as folder:
        runs = [_train(folder, setting, "train.deterministic=true", out=out) for out in ("one", "two")]
        first, second = (_weights(directory) for directory in runs)
    _expect_equal(first, second)
    return ["parameters are equal"], None


def _resumed(setting: Setting) -> tuple[list[str], Any]:
    """A run that is interrupted and resumed has the same final parameters as an uninterrupted one."""
    count = 20 if setting.quick else 60
    changes = ("train.deterministic=true", f"train.checkpoint_every={count // 4}")
    with tempfile.TemporaryDirectory() as folder:
        whole = _train(folder, setting, *changes, out="whole")
        with _interrupted_after_a_checkpoint():
            try:
                _train(folder, setting, *changes, out="stopped")
            except SeqtoolError as error:
                if not str(error).startswith("stopped"):
                    raise
            else:
                raise FailedError("the run was not interrupted")
        _run(resume=Path(folder) / "stopped", device=str(setting.device))
        first, second = _weights(whole), _weights(RunDirectory.open(Path(folder) / "stopped"))
    _expect_equal(first, second)
    return ["parameters are equal"], None


@contextmanager
def _interrupted_after_a_checkpoint() -> Iterator[None]:
    """Send this process SIGINT, like Ctrl-C, after the first checkpoint is written."""
    save = AtomicCheckpointIO.save_checkpoint

    def interrupting(self: AtomicCheckpointIO, *arguments: Any, **named: Any) -> None:
        save(self, *arguments, **named)
        AtomicCheckpointIO.save_checkpoint = save  # type: ignore[method-assign]
        os.kill(os.getpid(), signal.SIGINT)

    AtomicCheckpointIO.save_checkpoint = interrupting  # type: ignore[method-assign]
    try:
        yield
    finally:
        AtomicCheckpointIO.save_checkpoint = save  # type: ignore[method-assign]


def _weights(directory: RunDirectory) -> dict[str, Any]:
    (seed,) = _seeds(directory)
    state: dict[str, Any] = torch.load(seed.last_checkpoint, weights_only=True, map_location="cpu")["state_dict"]
    return state


def _expect_equal(first: dict[str, Any], second: dict[str, Any]) -> None:
    differ = [name for name, value in first.items() if not torch.equal(value, second[name])]
    if differ:
        largest = max(float((first[name] - second[name]).abs().max()) for name in differ)
        raise FailedError(f"{len(differ)} of {len(first)} parameters differ, by {largest:.1e} at most: {differ[:5]}")


def _verbs(setting: Setting) -> tuple[list[str], Any]:
    """The commands predict, evaluate and intervene for one run, on the device and on the CPU."""
    lines, data = [], {}
    with tempfile.TemporaryDirectory() as folder:
        directory = _train(folder, setting)
        sources = Path(folder) / "sources.txt"
        sources.write_text("_ a b _ c d\nd _ c b a\n" * 3, encoding="utf-8")
        asked = {
            "predict": [str(sources)],
            "evaluate": ["--json", "--batches", "2"],
            "intervene": ["--json", "--examples", "64"],
        }
        for verb, options in asked.items():
            here, there = (
                _command(verb, str(directory.path), *options, "--device", device)
                for device in (str(setting.device), "cpu")
            )
            lines.append(f"{verb}: {len(here)} characters, {'equal to' if here == there else 'different from'} the CPU")
            data[verb] = {"device": here, "cpu": there}
    return lines, data


def _command(*words: str) -> str:
    """The output of a command."""
    done = CliRunner().invoke(group, list(words))
    if done.exception:
        message = f"{type(done.exception).__name__}: {done.exception}"
        raise FailedError(f"seqtool {' '.join(words)}: {message}\n{done.output[-500:]}") from done.exception
    return done.stdout
