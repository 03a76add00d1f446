"""Training seeds in several worker processes: equal results, and all ways in which a worker can end."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from small_run import same_run

import seqtool
from seqtool.errors import MisuseError, SeqtoolError
from seqtool.experiment import launcher
from seqtool.launch.launcher import FailedJob, FailedJobsError
from seqtool.launch.local import LocalLauncher
from seqtool.launch.processes import ProcessLauncher
from seqtool.training.progress_bar import JobsBar

Command = Callable[..., subprocess.CompletedProcess[str]]

FAULTY = """\
import os
import signal

import torch

from seqtool.api import Component, hookimpl
from seqtool_tasks.alignment import Alignment

SEQTOOL_API = (1, 0)

if os.path.exists("fatal"):
    os._exit(3)


class Faulty(Alignment):
    def batch(self, split, k, *, seed, **where):
        if split == "train" and k == 12 and seed == 1:
            if os.environ.get("FAULT") == "kill for good":
                open("fatal", "w").close()
            if os.environ.get("FAULT", "").startswith("kill"):
                os.kill(os.getpid(), signal.SIGKILL)
            if os.environ.get("FAULT") == "raise":
                raise ValueError("seed 1 cannot be drawn")
        return super().batch(split, k, seed=seed, **where)


@hookimpl
def seqtool_components():
    yield Component("task", "faulty", Faulty)
"""
"""A plugin whose task fails for one seed in the way that an environment variable gives."""


@pytest.fixture
def faulty(small: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small recipe with three seeds of the faulty task in the module `faulty` of its folder."""
    (small.parent / "faulty.py").write_text(FAULTY)
    text = small.read_text().replace("type: alignment", "type: faulty").replace("seeds: [0]", "seeds: [0, 1, 2]")
    small.write_text(text)
    monkeypatch.chdir(small.parent)
    return small


def finished(run: Path) -> set[int]:
    return {int(path.parent.name.removeprefix("seed")) for path in run.glob("*/seed*/result.json")}


def started(*arguments: str | Path) -> "subprocess.Popen[str]":
    words = [sys.executable, "-m", "seqtool", "run", *map(str, arguments), "--workers", "2", "--quiet"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True)


def wait_for(there: Callable[[], bool], process: "subprocess.Popen[str] | None" = None) -> None:
    """Wait for a condition; fail after two minutes, or if the process ends first."""
    for _ in range(2400):
        if there():
            return
        if process and process.poll() is not None:
            pytest.fail(f"the command ended: {process.communicate()[1]}")
        time.sleep(0.05)
    pytest.fail("nothing happened within two minutes")


def others_of(session: int) -> dict[int, int]:
    """The living processes of a session except its first, each with its parent."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent, _, its = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(its) == session and int(stat.parent.name) != session and state != "Z":
            found[int(stat.parent.name)] = int(parent)
    return found


def test_two_workers_write_the_same_files_as_one_process(small: Path, tmp_path: Path) -> None:
    changes = ["seeds=[0, 1, 2]"]
    one = seqtool.run(small, out=tmp_path / "one", overrides=changes)
    two = seqtool.run(small, out=tmp_path / "two", overrides=changes, workers=2)
    assert set(one["variants"]["default"]["seeds"]) == set(two["variants"]["default"]["seeds"]) == {"0", "1", "2"}
    for seed in range(3):
        same_run(tmp_path / f"one/default/seed{seed}", tmp_path / f"two/default/seed{seed}")
    kept = [json.loads((tmp_path / f"{name}/default/seed0/environment.json").read_text()) for name in ("one", "two")]
    assert kept[0] == kept[1]


@pytest.mark.slow
def test_a_part_that_raises_in_one_seed_does_not_stop_the_others(faulty: Path, spawn: Command) -> None:
    flags = ("-p", "faulty", "--workers", "2", "--quiet")
    done = spawn("run", faulty, "--out", "run", *flags, FAULT="raise")
    assert done.returncode == 1
    assert finished(Path("run")) == {0, 2}
    log = Path("run/default/seed1/error.log")
    message = "task 'faulty:faulty' (-p) raised ValueError: seed 1 cannot be drawn"
    assert f"1 of 3 jobs failed\n    default, seed 1: {message}" in done.stderr
    assert f"log: {log}" in done.stderr
    assert "try again with: seqtool run --resume run --workers 2 -p faulty" in done.stderr
    assert 'raise ValueError("seed 1 cannot be drawn")' in log.read_text()
    assert spawn("run", "--resume", "run", *flags).returncode == 0
    assert finished(Path("run")) == {0, 1, 2}
    assert not log.exists()


@pytest.mark.slow
def test_a_replacement_that_cannot_start_leaves_the_other_worker_alone(faulty: Path, spawn: Command) -> None:
    done = spawn("run", faulty, "--out", "run", "-p", "faulty", "--quiet", "--workers", "2", FAULT="kill for good")
    assert done.returncode == 1
    assert Path("fatal").exists()
    assert finished(Path("run")) == {0, 2}
    assert "1 of 3 jobs failed" in done.stderr


@pytest.mark.slow
def test_a_killed_worker_fails_only_its_job_and_a_resume_completes_it(faulty: Path, spawn: Command) -> None:
    flags = ("-p", "faulty", "--quiet")
    done = spawn("run", faulty, "--out", "run", *flags, "--workers", "2", FAULT="kill")
    assert done.returncode == 1
    assert finished(Path("run")) == {0, 2}
    assert "default, seed 1: its worker process was killed by SIGKILL" in done.stderr
    assert "killed by SIGKILL" in Path("run/default/seed1/error.log").read_text()
    assert spawn("run", "--resume", "run", *flags, "--workers", "2").returncode == 0
    assert spawn("run", faulty, "--out", "whole", *flags).returncode == 0
    for seed in range(3):
        same_run(Path(f"whole/default/seed{seed}"), Path(f"run/default/seed{seed}"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_saves_every_seed_and_the_command_that_is_printed_resumes(
    small: Path, tmp_path: Path, spawn: Command, number: signal.Signals
) -> None:
    flags = ("--set", "seeds=[0, 1, 2]", "--set", "train.steps=400")
    out = tmp_path / "run"
    process = started(small, "--out", out, *flags)
    checkpoints = [out / f"default/seed{seed}/last.ckpt" for seed in (0, 1)]
    wait_for(lambda: all(path.exists() for path in checkpoints), process)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # to every process of the group, as a terminal does
    else:
        process.send_signal(number)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 1, told
    assert told == (
        f"error: stopped; all completed steps are saved\n    resume with: seqtool run --resume {out} --workers 2\n"
    )
    wait_for(lambda: not others_of(process.pid))
    steps = [torch.load(path, weights_only=True)["global_step"] for path in checkpoints]
    assert all(10 <= step < 400 for step in steps)
    assert finished(out) == set()
    assert spawn("run", "--resume", out, "--workers", "2", "--quiet").returncode == 0
    assert spawn("run", small, "--out", tmp_path / "whole", "--quiet", *flags).returncode == 0
    for seed in range(3):
        same_run(tmp_path / f"whole/default/seed{seed}", out / f"default/seed{seed}")


@pytest.mark.slow
def test_a_second_ctrl_c_ends_all_workers(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = started(small, "--out", out, "--set", "seeds=[0, 1]", "--set", "train.steps=100000")
    wait_for((out / "default/seed0/last.ckpt").exists, process)
    workers = [child for child, parent in others_of(process.pid).items() if parent != process.pid]
    assert len(workers) == 2, "children of the fork server"
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)  # saving fails, so only the second signal ends them
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.communicate(timeout=2)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 1
    wait_for(lambda: not others_of(process.pid))


@pytest.mark.slow
def test_workers_of_a_killed_command_save_and_end(small: Path, tmp_path: Path, spawn: Command) -> None:
    out = tmp_path / "run"
    flags = ("--set", "seeds=[0, 1]", "--set", "train.steps=400", "--set", "train.checkpoint_every=null")
    process = started(small, "--out", out, *flags, "--set", "train.validate_every=400")
    rows = [out / f"default/seed{seed}/metrics.csv" for seed in (0, 1)]
    wait_for(lambda: all(path.exists() and len(path.read_text().splitlines()) > 2 for path in rows), process)
    process.kill()
    process.communicate(timeout=60)
    wait_for(lambda: not others_of(process.pid))
    for seed in (0, 1):
        assert torch.load(out / f"default/seed{seed}/last.ckpt", weights_only=True)["global_step"] < 400
    assert spawn("run", "--resume", out, "--quiet").returncode == 0
    assert finished(out) == {0, 1}


class Terminal(io.StringIO):
    """Standard error of 120 columns."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        monkeypatch.setenv("COLUMNS", "120")

    def isatty(self) -> bool:
        return True


def test_the_bar_counts_jobs_and_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Terminal(monkeypatch)
    monkeypatch.setattr("sys.stderr", shown)
    with JobsBar([1000, 1000, 500], show=True) as bar:
        bar.show(0, 1000)
        bar.finish(0)
        bar.show(2, 240)
    assert "0 of 3 jobs, 0 of 2,500 steps   0%|" in shown.getvalue()
    assert "1 of 3 jobs, 1,240 of 2,500 steps  50%|" in shown.getvalue()
    shown.truncate(0)
    with JobsBar([10], show=False) as bar:
        bar.finish(0)
    assert shown.getvalue().strip("\0") == ""


def test_early_stopping_counts_as_all_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Terminal(monkeypatch)
    monkeypatch.setattr("sys.stderr", shown)
    with JobsBar([1000], show=True) as bar:
        bar.show(0, 30)
        bar.finish(0)
    assert "1 of 1 jobs, 1,000 of 1,000 steps 100%|" in shown.getvalue()


def test_an_error_of_many_jobs_stays_short(tmp_path: Path) -> None:
    failed = [FailedJob(f"a, seed {seed}", "one\ntwo\nthree\nfour\nfive", tmp_path / "error.log") for seed in range(12)]
    text = str(FailedJobsError(failed, 16))
    assert text.startswith("12 of 16 jobs failed\n    a, seed 0: one\n    two\n")
    assert "five" not in text
    assert text.endswith("... and 2 more")
    assert text.count("log: ") == 10


def test_which_launcher_runs_the_jobs() -> None:
    assert isinstance(launcher(1), LocalLauncher)
    assert isinstance(launcher(2), ProcessLauncher)


@pytest.mark.parametrize("workers", [0, -1, 1.5, "2"])
def test_an_invalid_number_of_workers(small: Path, workers: object) -> None:
    with pytest.raises(MisuseError, match="workers is an integer of at least 1"):
        seqtool.run(small, workers=workers)  # type: ignore[arg-type]


@pytest.mark.parametrize("change", ["train.devices=2", "train.num_nodes=2"])
def test_trainings_of_several_processes_take_no_workers(small: Path, tmp_path: Path, change: str) -> None:
    with pytest.raises(SeqtoolError, match=r"--workers trains each seed on one device, .* uses 2 (devices|nodes)"):
        seqtool.run(small, out=tmp_path / "run", overrides=[change, "train.strategy=ddp"], workers=2)
    assert not (tmp_path / "run").exists()


def test_ranks_of_torchrun_take_no_workers(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(MisuseError, match="torchrun or srun already started 2"):
        seqtool.run(small, out=tmp_path / "run", workers=2)


def test_the_command_line_names_the_workers(small: Path, call: Callable[..., tuple[int, str, str]]) -> None:
    assert "2 seeds in parallel, each in its own process" in call("run", small, "--workers", "2", "--dry-run")[1]
    assert json.loads(call("run", small, "--workers", "2", "--dry-run", "--json")[1])["workers"] == 2
    code, _, told = call("run", small, "--workers", "0")
    assert code == 2
    assert "--workers" in told
