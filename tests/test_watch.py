"""`seqtool watch`: the progress of runs in every state, whole or damaged."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fake_runs import COLUMNS, Call, write_run

from seqtool.analysis.progress_table import PLAIN_BARS, duration, sparkline, table
from seqtool.analysis.watch import is_held, read_progress
from seqtool.errors import SeqtoolError
from seqtool.runs import RunDirectory

WRITTEN = 1_000_000.0


def training(path: Path) -> Path:
    """Variant one is finished, two is at step 30 of 40 (one row and 10 steps per second), three has not started."""
    run = write_run(path, ("one", "two", "three"), (0,))
    for name in ("result.json", "predictions.jsonl", "alignments.npz"):
        (run / "two/seed0" / name).unlink()
    place = run / "two/seed0/metrics.csv"
    place.write_text("".join(place.read_text().splitlines(keepends=True)[:-1]))
    os.utime(place, (WRITTEN, WRITTEN))
    shutil.rmtree(run / "three/seed0")
    (run / "result.json").unlink()
    return run


@pytest.mark.parametrize(
    ("silent", "held", "state"),
    [
        (5, True, "training"),
        (59, True, "training"),
        (61, True, "stalled"),
        (61, None, "silent"),
        (59, None, "training"),
        (61, False, "stopped"),
        (11, False, "stopped"),
        (9, False, "training"),  # possibly on another machine
        (-3, True, "training"),  # clocks differ
    ],
)
def test_states(tmp_path: Path, silent: float, held: bool | None, state: str) -> None:
    found = read_progress(training(tmp_path / "run"), WRITTEN + silent, lambda path: held)
    assert [seed.state for seed in found.seeds] == ["finished", state, "waiting"]
    assert found.ended == (state == "stopped" and silent > 60)


def test_a_slow_run_of_another_machine_is_not_reported_as_stopped(tmp_path: Path) -> None:
    run = training(tmp_path / "run")
    rows = "".join(f"{step},1,0.5,0.1,,,,{second}\n" for step, second in ((10, 1), (20, 101), (30, 201)))
    (run / "two/seed0/metrics.csv").write_text(f"{COLUMNS}\n{rows}")
    os.utime(run / "two/seed0/metrics.csv", (WRITTEN, WRITTEN))
    progress = [read_progress(run, WRITTEN + after, lambda path: False) for after in (999, 1001)]
    assert [found.seeds[1].state for found in progress] == ["stopped", "stopped"]
    assert [found.ended for found in progress] == [False, True]


def test_a_long_validation_is_not_reported_as_stalled(tmp_path: Path) -> None:
    run = training(tmp_path / "run")
    rows = "".join(f"{step},1,0.5,0.1,,,,{second}\n" for step, second in ((10, 1), (20, 101), (30, 102)))
    (run / "two/seed0/metrics.csv").write_text(f"{COLUMNS}\n{rows}")
    os.utime(run / "two/seed0/metrics.csv", (WRITTEN, WRITTEN))
    assert [read_progress(run, WRITTEN + after, lambda path: True).seeds[1].state for after in (299, 301 + 250)] == [
        "training",
        "stalled",
    ]


def test_figures_are_those_of_the_last_rows(tmp_path: Path) -> None:
    now = read_progress(training(tmp_path / "run"), WRITTEN + 5, lambda path: True).seeds[1]
    assert (now.variant, now.seed, now.step, now.steps, now.seconds_since_write) == ("two", 0, 30, 40, 5)
    assert now.losses == pytest.approx([2.75, 2.5, 2.25])
    assert (now.loss, now.accuracy) == (pytest.approx(2.25), 0.5)
    assert now.validation == pytest.approx(
        {"step": 20, "valid_loss": 2.5, "valid_token_accuracy": 0.5, "valid_attention_entropy": 2.0}
    )
    assert (now.steps_per_second, now.seconds_left) == (pytest.approx(10), pytest.approx(1))
    (_, line, waiting) = table(read_progress(tmp_path / "run", WRITTEN + 5, lambda path: True))
    assert line == (
        "two", "0", "training", "30/40 75 %", "2.2500", "█▅▁", "0.500", "2.5000, tokens 0.500 at 20", "10.0", "1s",
    )  # fmt: skip
    assert waiting[2:5] == ("waiting", "0/40 0 %", "-")


def test_is_held_does_not_take_the_lock(tmp_path: Path) -> None:
    run = training(tmp_path / "run")
    if is_held(run / ".lock") is None:
        pytest.skip("this system does not report which process holds a file")
    assert not (run / ".lock").exists()
    assert is_held(run / ".lock") is False
    with RunDirectory(run).locked():
        assert is_held(run / ".lock") is True
        assert read_progress(run, WRITTEN + 1000).seeds[1].state == "stalled"
    assert read_progress(run, WRITTEN + 1000).seeds[1].state == "stopped"
    assert is_held(run / ".lock", locks=tmp_path / "none") is None


def test_once_prints_once(tmp_path: Path, call: Call) -> None:
    run = training(tmp_path / "run")
    code, out, err = call("watch", run, "--once")
    assert (code, err) == (0, "")
    heading, *lines = out.splitlines()
    assert heading.split() == ["variant", "seed", "state", "step", "loss", "accuracy", "validation", "steps/s", "left"]
    assert [line.split()[0] for line in lines[:3]] == ["one", "two", "three"]
    assert lines[-1] == f"resume with: seqtool run --resume {run}"
    assert "\x1b" not in out
    code, out, _ = call("watch", run, "--json")
    assert [seed["state"] for seed in json.loads(out)["seeds"]] == ["finished", "stopped", "waiting"]


def test_watch_ends_when_the_run_is_finished(tmp_path: Path, call: Call) -> None:
    code, out, _ = call("watch", write_run(tmp_path / "run"))
    assert (code, out.count("variant")) == (0, 1)


def test_watch_ends_after_the_run_was_stopped(tmp_path: Path, call: Call) -> None:
    run = training(tmp_path / "run")
    if is_held(run / ".lock") is None:
        pytest.skip("this system does not report which process holds a file")
    code, out, _ = call("watch", run)
    assert (code, out.count("variant")) == (0, 1)
    assert out.splitlines()[-1] == f"resume with: seqtool run --resume {run}"


def test_a_pipe_without_block_characters(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    done = subprocess.run(
        [sys.executable, "-m", "seqtool", "watch", str(run)],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert "  @*-_  " in done.stdout.decode("ascii")
    assert b"\x1b" not in done.stdout


@pytest.mark.parametrize("kept", [0, 1, 60, 150, 200])
def test_a_partial_metrics_file_is_handled(tmp_path: Path, call: Call, kept: int) -> None:
    run = training(tmp_path / "run")
    place = run / "two/seed0/metrics.csv"
    place.write_bytes(place.read_bytes()[:kept])
    code, out, err = call("watch", run, "--once")
    assert (code, err) == (0, "")
    assert "two" in out
    assert ("cannot read: two/seed0/metrics.csv" in out) == (kept != 200 or not place.read_bytes().endswith(b"\n"))


def test_damaged_and_foreign_folders(tmp_path: Path, call: Call) -> None:
    run = training(tmp_path / "run")
    (run / "run.json").write_text("{")
    (run / "one/resolved.yaml").write_text("train: [")
    (run / "one/seed0/result.json").write_text("nothing")
    (run / "two/resolved.yaml").unlink()
    (run / "two/seed0/metrics.csv").write_text("step,train_loss,seconds\n10,nan,1\n")
    code, out, err = call("watch", run, "--once")
    assert (code, err) == (0, "")
    assert "10/?" in out
    for name in ("run.json", "one/seed0/result.json", "two/resolved.yaml", "two/seed0/metrics.csv"):
        assert f"cannot read: {name} " in out
    (tmp_path / "empty").mkdir()
    for name in ("empty", "gone"):
        code, out, err = call("watch", tmp_path / name, "--once")
        assert (code, out) == (1, "")
        assert f"{name} is not a run" in err
    with pytest.raises(SeqtoolError):
        read_progress(tmp_path / "empty")


def test_sparks_and_durations_by_hand() -> None:
    assert sparkline([]) == ""
    assert sparkline([1.0]) == "▁"
    assert sparkline([0, 7, 14], PLAIN_BARS) == "_+@"
    assert sparkline([0, 2, 4, 6], max_bars=2) == "▁█"
    assert [duration(seconds) for seconds in (0, 59.9, 95, 3600, 86_399)] == ["0s", "59s", "1m35s", "1h00m", "23h59m"]
