"""A run that is stopped at any moment and resumed equals an uninterrupted one."""

import functools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_run import SMALL, figures, rows, same_run

import seqtool
from seqtool.api import SyntheticTask
from seqtool.errors import SeqtoolError
from seqtool.runs import RunDirectory, SeedDirectory
from seqtool.runs.files import TEMPORARY, read_json
from seqtool.training.lightning_module import SequenceModule
from seqtool_attention.additive import Additive


def test_same_recipe_and_seed_twice_are_equal_bit_for_bit(small: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        torch.rand(1)  # independent of the global generator
        seqtool.run(small, out=tmp_path / name)
    same_run(tmp_path / "one/default/seed0", tmp_path / "two/default/seed0")
    seqtool.run(small, out=tmp_path / "three", seeds=[1])
    assert rows(tmp_path / "three/default/seed1") != rows(tmp_path / "one/default/seed0")


@pytest.mark.parametrize("step", [1, 7, 10, 24, 25, 30, 59, 60])
def test_interrupted_after_any_step_and_resumed(
    small: Path, tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seqtool.run(small, out=tmp_path / "whole")
    drawn = SyntheticTask.batch

    def draw(self: object, split: str, k: int, **keys: object) -> object:
        if split == "train" and k == step - 1:
            os.kill(os.getpid(), signal.SIGINT)
        return drawn(self, split, k, **keys)

    with monkeypatch.context() as patch:
        patch.setattr(SyntheticTask, "batch", draw)
        with pytest.raises(SeqtoolError, match=re.escape(f"seqtool run --resume {tmp_path / 'parts'}")):
            seqtool.run(small, out=tmp_path / "parts")
    seqtool.run(resume=tmp_path / "parts")
    same_run(tmp_path / "whole/default/seed0", tmp_path / "parts/default/seed0")


@pytest.mark.parametrize(
    ("signals", "saved"),
    [
        ([signal.SIGTERM], "all completed steps are saved"),
        ([signal.SIGINT] * 2, "after the last checkpoint are not saved"),
    ],
)
def test_stopped_during_validation_and_resumed(
    small: Path, tmp_path: Path, signals: list[signal.Signals], saved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = ["train.validation_batches=3", "train.steps=30"]
    seqtool.run(small, out=tmp_path / "whole", overrides=overrides)
    drawn, sent = SyntheticTask.batch, iter(signals)

    def draw(self: object, split: str, k: int, **keys: object) -> object:
        if split == "valid" and k == 1:  # the check of the recipe has drawn batch 0, batch 2 follows
            for number in sent:
                os.kill(os.getpid(), number)
        return drawn(self, split, k, **keys)

    with monkeypatch.context() as patch:
        patch.setattr(SyntheticTask, "batch", draw)
        with pytest.raises(SeqtoolError, match=saved):
            seqtool.run(small, out=tmp_path / "parts", overrides=overrides)
    folder = tmp_path / "parts/default/seed0"
    step = torch.load(folder / "last.ckpt", weights_only=True)["global_step"]
    assert step == (25 if len(signals) == 1 else 20), "validation of step 25, checkpoint every 10 steps"
    seqtool.run(resume=tmp_path / "parts")
    same_run(tmp_path / "whole/default/seed0", folder)


@pytest.mark.parametrize(("place", "code"), [("__init__", None), ("start", 0), ("score", 3)])
def test_a_part_that_exits_is_an_error(
    small: Path,
    tmp_path: Path,
    place: str,
    code: object,
    monkeypatch: pytest.MonkeyPatch,
    command: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    @functools.wraps(getattr(Additive, place))
    def leave(self: object, *arguments: object, **options: object) -> None:
        sys.exit(code)  # type: ignore[arg-type]

    monkeypatch.setattr(Additive, place, leave)
    found = command("run", small, "--out", tmp_path / "run", "--quiet")
    assert found.returncode == 1
    assert "test_resume.py" in found.stderr or "SystemExit" in found.stderr, found.stderr
    assert command("validate", small).returncode == 1
    with pytest.raises(SeqtoolError):
        seqtool.run(small, out=tmp_path / "other")


@pytest.mark.parametrize(
    ("overrides", "advice"),
    [
        (["train.clip_norm=null"], "try a lower train.optimizer.lr than 1e+06, or train.clip_norm: 1.0"),
        (["train.precision=bf16-mixed"], "lower train.clip_norm than 1, or train.precision: 32-true"),
    ],
)
def test_a_diverging_training_is_reported_once_with_values_of_the_recipe(
    small: Path, tmp_path: Path, overrides: list[str], advice: str
) -> None:
    overrides = [*overrides, "train.optimizer.lr=1e6", "train.schedule=null", "train.steps=14"]
    with pytest.warns(UserWarning, match="default, seed 0: training diverges: the loss is") as found:
        seqtool.run(small, out=tmp_path / "run", overrides=overrides)
    told = [str(warning.message) for warning in found if "diverges" in str(warning.message)]
    assert len(told) == 1
    assert re.search(r"at step 7, and was 1\.\d+ at step 1\n", told[0]), told
    assert told[0].endswith(advice)


def test_a_training_that_exits_is_an_error(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a library could; `validate_every` is not reached in the check of a recipe."""
    monkeypatch.setattr(SequenceModule, "on_validation_epoch_end", lambda self: sys.exit(0))
    with pytest.raises(SeqtoolError, match=r"default, seed 0 was ended by sys.exit\(0\) at .*test_resume.py:\d+"):
        seqtool.run(small, out=tmp_path / "run")
    assert not RunDirectory(tmp_path / "run").seed("default", 0).finished


@pytest.mark.parametrize("precision", ["64-true", "bf16-true", "bf16-mixed"])
def test_resuming_is_exact_in_every_precision(
    small: Path, tmp_path: Path, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = [f"train.precision={precision}", "train.optimizer.fused=false"]
    seqtool.run(small, out=tmp_path / "whole", overrides=change)
    monkeypatch.setattr("seqtool.training.stopping.StopSignal.agreed", lambda self, trainer, step: step == 20)
    with pytest.raises(SeqtoolError, match="resume with"):
        seqtool.run(small, out=tmp_path / "parts", overrides=change)
    monkeypatch.undo()
    seqtool.run(resume=tmp_path / "parts")
    same_run(tmp_path / "whole/default/seed0", tmp_path / "parts/default/seed0")


def test_early_stopping_and_its_patience_survive_a_resume(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = ["train.early_stopping={patience: 2, min_delta: 10.0}", "train.validate_every=10"]
    seqtool.run(small, out=tmp_path / "whole", overrides=change)
    assert figures(tmp_path / "whole/default/seed0")["steps"] == 30
    monkeypatch.setattr("seqtool.training.stopping.StopSignal.agreed", lambda self, trainer, step: step == 20)
    with pytest.raises(SeqtoolError, match="resume with"):
        seqtool.run(small, out=tmp_path / "parts", overrides=change)
    monkeypatch.undo()
    seqtool.run(resume=tmp_path / "parts")
    same_run(tmp_path / "whole/default/seed0", tmp_path / "parts/default/seed0")


def test_finished_seeds_are_not_trained_again(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "run"
    seqtool.run(small, out=out, overrides=["seeds=[0, 1]"])
    (out / "default/seed1/result.json").unlink()
    before = (out / "default/seed0/metrics.csv").stat().st_mtime_ns
    trained: list[int] = []
    fit = seqtool.launch.job.fit_seed
    monkeypatch.setattr(
        "seqtool.launch.job.fit_seed",
        lambda variant, seed, *a, **k: trained.append(seed) or fit(variant, seed, *a, **k),
    )
    result = seqtool.run(resume=out)
    assert trained == [1]
    assert set(result["variants"]["default"]["seeds"]) == {"0", "1"}
    assert (out / "default/seed0/metrics.csv").stat().st_mtime_ns == before


def test_a_resume_of_one_seed_keeps_the_results_of_the_others(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    whole = seqtool.run(small, out=out, overrides=["seeds=[0, 1]"])
    (out / "default/seed1/result.json").unlink()
    assert seqtool.run(resume=out, seeds=[0]) != whole
    again = seqtool.run(resume=out, seeds=[1])
    assert list(again["variants"]["default"]["seeds"]) == ["0", "1"]
    assert json.loads((out / "result.json").read_text()) == again


def test_seeds_are_added_to_a_run(small: Path, tmp_path: Path) -> None:
    flags = ["train.steps=10", "train.validate_every=5"]
    seqtool.run(small, out=tmp_path / "both", overrides=flags, seeds=[0, 5])
    seqtool.run(small, out=tmp_path / "one", overrides=flags)
    added = seqtool.run(resume=tmp_path / "one", seeds=[5])
    assert list(added["variants"]["default"]["seeds"]) == ["0", "5"]
    assert read_json(tmp_path / "one/run.json")["seeds"] == [0, 5]
    same_run(tmp_path / "one/default/seed5", tmp_path / "both/default/seed5")


def test_one_process_at_a_time(
    small: Path, tmp_path: Path, command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    seqtool.run(small, out=tmp_path / "run")
    with RunDirectory.open(tmp_path / "run").locked():
        refused = command("run", "--resume", tmp_path / "run", "--quiet")
    assert refused.returncode == 1
    assert "another process is training" in refused.stderr
    assert command("run", "--resume", tmp_path / "run", "--quiet").returncode == 0


def test_an_empty_folder_is_used_for_the_run(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    seqtool.run(small, out=".")
    assert Path("run.json").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "small.yaml"]


def test_a_checkpoint_of_another_recipe_is_refused(small: Path, tmp_path: Path) -> None:
    seqtool.run(small, out=tmp_path / "one")
    seqtool.run(small, out=tmp_path / "two", overrides=["train.batch_size=4"])
    (tmp_path / "one/default/seed0/result.json").unlink()
    (tmp_path / "two/default/seed0/last.ckpt").replace(tmp_path / "one/default/seed0/last.ckpt")
    with pytest.raises(SeqtoolError, match="belongs to another recipe or seed"):
        seqtool.run(resume=tmp_path / "one")


def test_a_resume_with_another_recipe_is_refused(small: Path, tmp_path: Path) -> None:
    seqtool.run(small, out=tmp_path / "run")
    seqtool.run(small, resume=tmp_path / "run")
    small.write_text(small.read_text().replace("batch_size: 8", "batch_size: 9"))
    with pytest.raises(SeqtoolError, match="run of another recipe: variant 'default' differs"):
        seqtool.run(small, resume=tmp_path / "run")


def test_a_damaged_checkpoint_is_reported(small: Path, tmp_path: Path) -> None:
    seqtool.run(small, out=tmp_path / "run")
    folder = tmp_path / "run/default/seed0"
    (folder / "result.json").unlink()
    (folder / "last.ckpt").write_bytes(b"not a checkpoint")
    with pytest.raises(SeqtoolError, match=r"cannot read the checkpoint .*last\.ckpt"):
        seqtool.run(resume=tmp_path / "run")


def whole_files(run: Path) -> None:
    """No file with its final name is incomplete."""
    for path in run.rglob("*"):
        if path.suffix == ".json":
            read_json(path)
        elif path.suffix == ".ckpt":
            torch.load(path, weights_only=True)
        elif path.suffix == ".npz":
            assert np.load(path)["gold"].ndim == 2
        elif path.suffix in (".csv", ".jsonl", ".yaml"):
            assert path.read_bytes().endswith(b"\n"), path


INSIDE = """
import os, signal, sys
import seqtool.training.lightning_module, seqtool.runs.files
from seqtool.cli import main
where, count = sys.argv[1], int(sys.argv[2])
def die_at(owner, name):
    inner, calls = getattr(owner, name), [0]
    def outer(*arguments, **keys):
        calls[0] += 1
        if calls[0] == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return inner(*arguments, **keys)
    setattr(owner, name, outer)
if where == "write":
    die_at(seqtool.runs.files.os, "fsync")
elif where == "replace":
    die_at(seqtool.runs.files.os, "replace")
else:
    die_at(seqtool.training.lightning_module.SequenceModule, "validation_step")
main(sys.argv[3:])
"""


@pytest.mark.slow
def test_killed_at_thirty_moments_and_resumed(
    small: Path, tmp_path: Path, spawn: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    changes = [word for change in ("train.steps=1500", "seeds=[0, 1]") for word in ("--set", change)]
    done = spawn("run", small, "--out", tmp_path / "whole", "--quiet", *changes, timeout=300)
    assert done.returncode == 0, done.stderr
    killed, chance = tmp_path / "killed", random.Random(20)
    kills = {"outside": 0, "write": 0, "replace": 0, "validation": 0}
    leftovers = 0
    while sum(kills.values()) < 30:
        target = ["--resume", killed] if (killed / "run.json").exists() else [small, "--out", killed, *changes]
        arguments = ["run", *map(str, target), "--quiet"]
        where = ("outside", "outside", "write", "replace", "validation")[sum(kills.values()) % 5]
        words = ["-m", "seqtool"] if where == "outside" else ["-c", INSIDE, where, str(chance.randint(1, 12))]
        process = subprocess.Popen(
            [sys.executable, *words, *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        if where == "outside":
            before = sum(path.stat().st_mtime_ns for path in killed.rglob("metrics.csv"))
            while process.poll() is None and before == sum(p.stat().st_mtime_ns for p in killed.rglob("metrics.csv")):
                time.sleep(0.01)
            time.sleep(chance.uniform(0, 0.4))
            process.kill()
        _, complaint = process.communicate(timeout=120)
        assert process.returncode in (-signal.SIGKILL, 0), complaint.decode()
        assert process.returncode, f"the run was over after {kills}: it must be longer for this test to mean anything"
        kills[where] += 1
        leftovers += bool(list(killed.rglob(f".*{TEMPORARY}")))
        whole_files(killed)
    assert leftovers >= 5, "some kills must interrupt the writing of a file"
    done = spawn("run", "--resume", killed, "--quiet", timeout=300)
    assert done.returncode == 0, done.stderr
    whole_files(killed)
    assert not list(killed.rglob(f".*{TEMPORARY}"))
    for seed in (0, 1):
        same_run(RunDirectory(tmp_path / "whole").seed("default", seed).path, killed / f"default/seed{seed}")


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without its results, which is resumed from a complete checkpoint. Tests must not write to it."""
    folder = tmp_path_factory.mktemp("unfinished")
    (folder / "small.yaml").write_text(SMALL)
    seqtool.run(folder / "small.yaml", out=folder / "run", overrides=["train.steps=4", "train.schedule.warmup_steps=1"])
    for path in (folder / "run").rglob("result.json"):
        path.unlink()
    return folder / "run"


def _checkpoint(change: Callable[[Any], object]) -> Callable[[Path], object]:
    def damage(run: Path) -> None:
        path = run / "default/seed0/last.ckpt"
        content = torch.load(path, weights_only=True)
        change(content)
        torch.save(content, path)

    return damage


def _text(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda run: (run / name).write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_text("default/task.json", b'{"state": 3}'), r"task\.json is damaged: it has no object `state`"),
        (_text("default/task.json", b'{"state"'), r"cannot read .*task\.json"),
        (_text("default/task.json", b"{}"), r"task\.json is damaged"),
        (
            _text("default/seed0/result.json", b'{"format": 1}'),
            r"result\.json is damaged: it has no number `parameters`",
        ),
        (_text("default/seed0/result.json", b"[]"), r"cannot read .*result\.json"),
        (_checkpoint(lambda c: c.pop("state_dict")), r"last\.ckpt: .*no valid entry state_dict"),
        (_checkpoint(lambda c: c.update(state_dict=[])), r"last\.ckpt: .*no valid entry state_dict"),
        (_checkpoint(lambda c: c.update(global_step="x")), r"last\.ckpt: .*no valid entry global_step"),
        (_checkpoint(lambda c: c["state_dict"].update(a=[1])), r"last\.ckpt: .*state_dict contains more than tensors"),
        (_checkpoint(lambda c: c["callbacks"].clear()), r"last\.ckpt: .*no valid entry callbacks.Recorder.finished"),
        (_checkpoint(lambda c: c.update(callbacks=7)), r"last\.ckpt: .*no valid entry callbacks.Recorder.finished"),
        (_checkpoint(lambda c: c["callbacks"]["Recorder"].pop("best")), r"no valid entry callbacks.Recorder.best"),
    ],
)
def test_damaged_files_of_a_run_are_named(
    unfinished: Path, tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    run = Path(shutil.copytree(unfinished, tmp_path / "run"))
    damage(run)
    with pytest.raises(SeqtoolError, match=message):
        seqtool.run(resume=run)


def test_damaged_rows_are_removed_and_reported(tmp_path: Path) -> None:
    directory = SeedDirectory(tmp_path)
    good = b"1,0.5\n2,0.25\n"
    for bad in (b"x,1\n", b"-,\n", b"1e999,1\n", b'"3,1\n', b"3\n", b"3,1,2\n", b"\xff\xfe,1\n"):
        directory.metrics.write_bytes(b"step,train_loss\n" + good + bad + b"2,0.1")
        with pytest.warns(UserWarning, match=r"metrics\.csv: 1 damaged rows are removed"):
            directory.prepare(["step", "train_loss"], 9)
        assert directory.metrics.read_bytes() == b"step,train_loss\n" + good
