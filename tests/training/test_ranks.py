"""Two processes train like one process on their joined batches, and write one run directory."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from small_run import figures, rows

import seqtool
from seqtool.build.assembly import assemble
from seqtool.parts.batch import Batch

STEPS = 20
CHANGES = [f"train.steps={STEPS}", "train.log_every=1", "train.devices=2", "train.strategy=ddp"]
PLAIN = ["-m", "seqtool"]
LAUNCHERS = {
    "ddp": PLAIN,
    "torchrun": ["-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone", "-m", "seqtool"],
}


def joined(batches: list[Batch]) -> Batch:
    """Batches of equal lengths joined into one."""
    return Batch(*(torch.cat(side) for side in zip(*(vars(batch).values() for batch in batches), strict=True)))


def losses_of_one_process(recipe: Path) -> list[float]:
    """A bare torch loop over the joined batches of both ranks."""
    variant = seqtool.load_recipe(recipe, overrides=[f"train.steps={STEPS}"]).variants["default"]
    assembly = assemble(variant, seed=0)
    optimizer, schedule = assembly.optimizer, assembly.schedule
    lr, losses = optimizer.param_groups[0]["lr"], []
    for k in range(STEPS):
        drawn = [
            assembly.task.batch("train", k, seed=0, rank=rank, batch_size=8, device=torch.device("cpu"))
            for rank in (0, 1)
        ]
        assert not torch.equal(drawn[0].source, drawn[1].source)
        assert drawn[0].target_mask.sum() != drawn[1].target_mask.sum() or k != 0
        batch = joined(drawn)
        optimizer.param_groups[0]["lr"] = lr * schedule.factor(k)
        logits, weights = assembly.model(batch)
        total, count = assembly.loss(logits, weights, batch)
        optimizer.zero_grad()
        (total / count).backward()
        torch.nn.utils.clip_grad_norm_(assembly.model.parameters(), 1.0)
        optimizer.step()
        losses.append(float(total.detach() / count))
    return losses


def launch(launcher: str, *arguments: str | Path, **extra: str) -> "subprocess.Popen[str]":
    words = [sys.executable, *LAUNCHERS.get(launcher, PLAIN), "run", *map(str, arguments), "--quiet", "--json"]
    environment = {name: value for name, value in os.environ.items() if "PYTEST" not in name} | extra
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def finish(process: "subprocess.Popen[str]") -> str:
    """The output of a process after a successful exit."""
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    return out


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_two_processes_equal_one_on_joined_batches(small: Path, tmp_path: Path, launcher: str) -> None:
    changes = CHANGES if launcher == "ddp" else CHANGES[:2]  # torchrun sets the number of processes
    flags = [word for change in changes for word in ("--set", change)]
    check_two_ranks(small, tmp_path, finish(launch(launcher, small, "--out", tmp_path / "run", *flags)))


def test_processes_started_by_slurm(small: Path, tmp_path: Path) -> None:
    """srun starts each process with these variables; the test sets them without SLURM."""
    flags = [word for change in CHANGES[:2] for word in ("--set", change)]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    job = {
        "MASTER_PORT": port,
        "SLURM_NTASKS": "2",
        "SLURM_NNODES": "1",
        "SLURM_JOB_ID": "31415",
        "SLURM_NODELIST": "localhost",
    }
    processes = [
        launch(
            "plain",
            small,
            "--out",
            tmp_path / "run",
            *flags,
            **job,
            SLURM_PROCID=str(rank),
            SLURM_LOCALID=str(rank),
            SLURM_NODEID="0",
            SLURM_NTASKS_PER_NODE="2",
            SLURM_JOB_NAME="train",
        )
        for rank in (0, 1)
    ]
    first, second = (finish(process) for process in processes)
    assert not second
    check_two_ranks(small, tmp_path, first)


def check_two_ranks(small: Path, tmp_path: Path, printed: str) -> None:
    result = json.loads(printed)  # only rank 0 prints
    assert result["variants"]["default"]["seeds"]["0"]["steps"] == STEPS
    found = [float(row["train_loss"]) for row in rows(tmp_path / "run/default/seed0")]
    assert found == pytest.approx(losses_of_one_process(small), rel=1e-5)
    assert {path.name for path in tmp_path.iterdir()} == {"run", "small.yaml"}
    environment = json.loads((tmp_path / "run/default/seed0/environment.json").read_text())
    assert environment["world_size"] == 2


def test_validation_of_two_processes_equals_that_of_one(small: Path, tmp_path: Path) -> None:
    flags = [word for change in CHANGES for word in ("--set", change)]
    finish(launch("ddp", small, "--out", tmp_path / "run", *flags, "--set", "train.validation_batches=3"))
    two = figures(tmp_path / "run/default/seed0")
    variant = seqtool.load_recipe(small).variants["default"]
    assembly = assemble(variant, seed=0)
    checkpoint = torch.load(tmp_path / "run/default/seed0/last.ckpt", weights_only=True)
    assembly.model.load_state_dict({k.removeprefix("model."): v for k, v in checkpoint["state_dict"].items()})
    total = count = right = 0.0
    for k in range(3):
        batch = assembly.task.batch("valid", k, seed=0, rank=0, batch_size=16, device=torch.device("cpu"))
        with torch.no_grad():
            logits, weights = assembly.model(batch)
        some, tokens = assembly.loss(logits, weights, batch)
        total, count = total + float(some), count + float(tokens)
        right += float(((logits.argmax(-1) == batch.target) & batch.target_mask).sum())
    assert two["valid_loss"] == pytest.approx(total / count, rel=1e-6)
    assert two["token_accuracy"] == right / count


@pytest.mark.slow
def test_ctrl_c_stops_both_at_the_same_step_and_resumes(
    small: Path, tmp_path: Path, spawn: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    out = tmp_path / "run"
    flags = [word for change in (*CHANGES, "train.steps=600") for word in ("--set", change)]
    words = [sys.executable, *LAUNCHERS["ddp"], "run", str(small), "--out", str(out), "--quiet", *flags]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while process.poll() is None and not (out / "default/seed0/last.ckpt").exists():
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # to every process of the group, as a terminal does
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1, told
    assert told.count(f"resume with: seqtool run --resume {out}") == 1, told
    assert told.count("error: ") == 1, "only rank 0 prints"
    step = torch.load(out / "default/seed0/last.ckpt", weights_only=True)["global_step"]
    assert 10 <= step < 600
    finish(launch("ddp", "--resume", out))
    finish(launch("ddp", small, "--out", tmp_path / "whole", *flags))
    assert rows(out / "default/seed0") == rows(tmp_path / "whole/default/seed0")
