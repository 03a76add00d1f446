"""Two processes train like one process on their joined batches, and write one run directory."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from small_run import figures, rows

import seqtool
from seqtool.build.assembly import assemble
from seqtool.errors import MisuseError
from seqtool.parts.batch import Batch
from seqtool.training.data_module import DataModule
from seqtool.training.devices import cluster_plugins, trainer_options
from seqtool.training.stopping import Interrupted, StopSignal
from seqtool.training.trainer import build_trainer
from seqtool.training.waiting import RankWait

STEPS = 20
CHANGES = [f"train.steps={STEPS}", "train.log_every=1", "train.devices=2", "train.strategy=ddp"]
PLAIN = ["-m", "seqtool"]
LAUNCHERS = {
    "ddp": PLAIN,
    "torchrun": ["-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone", "-m", "seqtool"],
}

SCRIPT = """\
import pathlib, seqtool
result = seqtool.run({recipe!r}, overrides={changes}, out={out!r})
steps = result["variants"]["default"]["seeds"]["0"]["steps"]
print(result["run"], steps, pathlib.Path(result["run"], "report.html").exists())
"""


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
    job = {
        "MASTER_PORT": free_port(),
        "SLURM_NTASKS": "2",
        "SLURM_NNODES": "1",
        "SLURM_JOB_ID": "31415",
        "SLURM_STEP_ID": "0",
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


@pytest.mark.parametrize("step", [None, "4294967290"])
@pytest.mark.parametrize("per_node", [None, "4"])
def test_a_batch_script_without_srun_is_one_process(
    small: Path, tmp_path: Path, step: str | None, per_node: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variables of `sbatch --ntasks=4`; an interactive shell of salloc is a step of a special number."""
    job = {"JOB_ID": "77", "JOB_NAME": "train", "PROCID": "0", "LOCALID": "0", "NODEID": "0", "NODELIST": "localhost"}
    job |= {"NNODES": "1", "NTASKS": "4"} | ({"STEP_ID": step} if step else {})
    job |= {"NTASKS_PER_NODE": per_node} if per_node else {}
    for name, value in job.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    variant = seqtool.load_recipe(small).variants["default"]
    assert build_trainer(variant.train).world_size == 1
    assert build_trainer(replace(variant.train, devices=1)).world_size == 1
    if step and per_node:
        result = seqtool.run(small, out=tmp_path / "run", overrides=["train.steps=2"])
        assert result["variants"]["default"]["seeds"]["0"]["steps"] == 2


def test_tasks_of_srun_that_do_not_fit_the_recipe(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = seqtool.load_recipe(small).variants["default"].train
    job = {"JOB_ID": "77", "JOB_NAME": "train", "STEP_ID": "0", "PROCID": "0", "NNODES": "2", "NTASKS": "8"}
    for name, value in job.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    with pytest.raises(MisuseError, match="without --ntasks-per-node\n    allowed: --ntasks-per-node=4"):
        trainer_options(train)
    monkeypatch.setenv("SLURM_NTASKS_PER_NODE", "4")
    options = trainer_options(train)
    assert (options["devices"], options["num_nodes"]) == (4, 2)
    with pytest.raises(MisuseError, match=r"train.devices: 1 .* srun started 4 processes on 2 nodes"):
        trainer_options(replace(train, devices=1))
    for name, value in {"LOCAL_WORLD_SIZE": "1", "WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "1"}.items():
        monkeypatch.setenv(name, value)  # torchrun as a task of srun
    options = trainer_options(train)
    assert (options["devices"], options["num_nodes"]) == (1, 2)
    assert cluster_plugins() == [], "torchrun has the ranks, not srun"


def test_several_nodes_require_a_launcher(small: Path, tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match=r"train.num_nodes: 2, but this process was not started by srun or torchrun"):
        seqtool.run(small, out=tmp_path / "run", overrides=["train.num_nodes=2"])
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_signal_ends_the_wait_for_a_rank_that_is_not_started(small: Path, tmp_path: Path) -> None:
    script = "import seqtool.training.waiting as w; w.REPORT_AFTER = 0; import seqtool.cli as c; c.main()"
    words = [sys.executable, "-c", script, "run", str(small), "--out", str(tmp_path / "run"), "--quiet"]
    words += ["--set", "train.num_nodes=2"]
    environment = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "NODE_RANK": "0"}
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr
        assert "rank 0 waits for all 2 ranks to connect to 127.0.0.1" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "stopped" in told, told


def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def fake_trainer(rank: int, world_size: int) -> SimpleNamespace:
    """A trainer of one of several ranks, whose processes do not exist."""
    strategy = SimpleNamespace(root_device=torch.device("cpu"), launcher=None)
    return SimpleNamespace(strategy=strategy, global_rank=rank, world_size=world_size, global_step=0)


@pytest.mark.parametrize(("batches", "ranks"), [(1, 2), (3, 2), (4, 2), (2, 5)])
def test_every_rank_validates_equally_many_batches(small: Path, batches: int, ranks: int) -> None:
    task = assemble(seqtool.load_recipe(small).variants["default"], seed=0).task
    taken = []
    for rank in range(ranks):
        data = DataModule(task, seed=0, batch_size=4, steps=1, valid_batches=batches, valid_batch_size=4)
        data.trainer = fake_trainer(rank, ranks)  # type: ignore[assignment]
        taken.append(list(data.val_dataloader()))
    assert len({len(loaded) for loaded in taken}) == 1
    counted = [loaded.batch.source for one in taken for loaded in one if loaded.counted]
    drawn = [task.batch("valid", k, seed=0, rank=0, batch_size=4, device=torch.device("cpu")) for k in range(batches)]
    assert len(counted) == batches
    assert all(any(torch.equal(batch.source, source) for source in counted) for batch in drawn)


def test_a_signal_while_ranks_connect_ends_the_training_at_once() -> None:
    with pytest.raises(Interrupted) as stopped, StopSignal() as stop, RankWait(fake_trainer(0, 2), stop):  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGTERM)
    assert stopped.value.saved
    with StopSignal() as stop, RankWait(fake_trainer(0, 2), stop) as wait:  # type: ignore[arg-type]
        wait.setup(None, None, "fit")  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGTERM)
    assert stop.requested, "the step is completed and saved first"
    assert signal.set_wakeup_fd(-1) == -1


def check_two_ranks(small: Path, tmp_path: Path, printed: str) -> None:
    result = json.loads(printed)  # only rank 0 prints
    assert result["variants"]["default"]["seeds"]["0"]["steps"] == STEPS
    found = [float(row["train_loss"]) for row in rows(tmp_path / "run/default/seed0")]
    assert found == pytest.approx(losses_of_one_process(small), rel=1e-5)
    assert {path.name for path in tmp_path.iterdir()} == {"run", "small.yaml"}
    environment = json.loads((tmp_path / "run/default/seed0/environment.json").read_text())
    assert environment["world_size"] == 2


def test_validation_of_two_processes_equals_that_of_one(small: Path, tmp_path: Path) -> None:
    """Both processes run a script, which continues with the result."""
    script, changes = tmp_path / "script.py", [*CHANGES, "train.validation_batches=3"]
    script.write_text(SCRIPT.format(recipe=str(small), changes=changes, out=str(tmp_path / "run")))
    words = [sys.executable, str(script)]
    out = finish(subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    assert out.count(f"{tmp_path / 'run'} {STEPS} True") == 2, "on each rank, after all files are written"
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
def test_ctrl_c_stops_both_at_the_same_step_and_resumes(small: Path, tmp_path: Path) -> None:
    """With fewer validation batches than processes, each of which must take part in every forward pass."""
    out = tmp_path / "run"
    changes = [*CHANGES, "train.steps=600", "train.validation_batches=1"]
    flags = [word for change in changes for word in ("--set", change)]
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
