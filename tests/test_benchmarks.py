"""The benchmarks run and report their measurements; times are not tested."""

import itertools
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from benchmarks import commands, commits, growth, plain, racing, small_data
from benchmarks.__main__ import catalogue, table
from benchmarks.gpu import command
from benchmarks.gpu.report import Item, Setting, SkippedError, run_items
from benchmarks.racing import AbsentError, Contestant, Race, Result, run
from benchmarks.shapes import Shape

ROOT = Path(__file__).parents[1]


@pytest.fixture
def clock(monkeypatch):
    """A clock that only steps advance."""
    now = [0.0]
    monkeypatch.setattr(racing.time, "perf_counter", lambda: now[0])
    return now


def test_benchmark_measures_each_contestant_once_per_round_and_divides_per_round(clock):
    calls = []

    def prepare(name, seconds):
        def step():
            calls.append(name)
            clock[0] += seconds

        return lambda: step

    race = Race("two", [Contestant("slow", prepare("slow", 0.02)), Contestant("fast", prepare("fast", 0.005))])
    result = run(race, rounds=4, min_seconds=0)
    # 1 to warm up, 1 to measure the duration, then one per round; each round starts with another contestant
    assert calls[4:] == ["slow", "fast", "fast", "slow", "slow", "fast", "fast", "slow"]
    assert result.times == {"slow": pytest.approx([20] * 4), "fast": pytest.approx([5] * 4)}
    assert result.ratio("fast", "slow") == pytest.approx((4, 4, 4))
    assert result.ratio("slow", "fast") == pytest.approx((0.25, 0.25, 0.25))


def test_a_short_step_is_repeated_until_it_can_be_timed(clock):
    def step():
        clock[0] += 0.01

    assert run(Race("one", [Contestant("a", lambda: step)]), 1, min_seconds=0.2).times["a"] == pytest.approx([10])
    # 3 to warm up, 1 to measure the duration, 20 in the round
    assert clock[0] == pytest.approx(0.24)


def test_failing_contestant_is_reported_and_others_are_measured():
    def absent():
        raise AbsentError("it is not installed")

    result = run(Race("one", [Contestant("a", lambda: lambda: None), Contestant("b", absent)]), 2, min_seconds=0)
    assert result.absent == {"b": "it is not installed"}
    assert "absent: it is not installed" in table(result)


def test_a_missed_bound_is_reported():
    result = Result("two", {"slow": [4.0], "fast": [1.0]}, bounds=[("slow", "fast", 1.0), ("fast", "slow", 4.0)])
    told = table(result)
    assert "slow at least 1.00 times as fast as fast: 0.25, MISSED" in told
    assert "fast at least 4.00 times as fast as slow: 4.00, met" in told


def test_slope_is_the_exponent():
    assert growth.slope([1, 2, 4, 8], [3 * n**1.5 for n in (1, 2, 4, 8)]) == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("number", "words"), [(7, "seven"), (20, "twenty"), (412, "four hundred twelve"), (99, "ninety nine")]
)
def test_number_format(number, words):
    assert commands.spelled(number) == words


@pytest.mark.parametrize("work", ["training", "decoding", "seeds", "families"])
def test_every_work_runs_at_a_tiny_size(work):
    for race in catalogue(compiled=False, quick=True, rounds=1)[work]():
        result = run(race, rounds=1, min_seconds=0)
        assert len(result.times) + len(result.absent) == len(race.contestants)
        assert not [name for name in result.absent if name.startswith("seqtool")]
        assert race.name in table(result)


def test_plain_models_output_logits_for_every_target_step():
    shape = Shape(hidden=16, source=8, target=2, batch=16)
    for family in plain.MODELS:
        model = plain.MODELS[family](shape.symbols, shape.hidden)
        source, gold = plain.inputs(plain.batch(shape), shape.symbols, one_hot=family in plain.ONE_HOT)
        assert model(source, gold).shape == (16, 2, 4)


@pytest.mark.slow
def test_the_command_writes_json(tmp_path):
    target = tmp_path / "times.json"
    command = [sys.executable, "-m", "benchmarks", "--quick", "seeds", "--json", str(target)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "2 seeds, attentive gmm" in done.stdout
    told = json.loads(target.read_text())
    assert told["machine"]["torch"]
    (result,) = told["results"]
    assert set(result["medians"]) == set(result["times"])


@pytest.mark.parametrize(
    "section",
    ["decoding", "loop", "compiled", *(pytest.param(name, marks=pytest.mark.slow) for name in ("training", "seeds"))],
)
def test_sections_for_a_device_run_at_a_tiny_size(section, capsys):
    with pytest.raises(SystemExit) as ended:
        command.main([section, "--quick", "--device", "cpu"])
    printed = capsys.readouterr().out
    assert ended.value.code == 0, printed
    assert f"== {section}" in printed


@pytest.mark.slow
def test_correctness_on_a_device_writes_json(tmp_path, capsys):
    path = tmp_path / "gpu.json"
    with pytest.raises(SystemExit) as ended:
        command.main(["correctness", "--quick", "--device", "cpu", "--json", str(path)])
    assert ended.value.code == 0, capsys.readouterr().out
    outcomes = {one["name"]: one for one in json.loads(path.read_text())["sections"]["correctness"]["outcomes"]}
    assert outcomes["resumed bit for bit"]["status"] == "passed"
    assert outcomes["cell: 2 parts"]["data"] == {"checks": 4}
    assert outcomes["peak memory of gmm"]["lines"] == ["only CUDA reports it"]


def test_a_failing_item_is_counted_and_others_run():
    def fails():
        raise ValueError("wrong\nsecond line")

    def skips():
        raise SkippedError("not here")

    items = [Item("bad", fails), Item("absent", skips), Item("good", lambda: (["fine"], 1))]
    found = list(run_items(iter(items), Setting(torch.device("cpu"), True, time.monotonic() + 60)))
    assert [outcome.status for outcome in found] == ["failed", "skipped", "passed"]
    assert found[0].lines[:2] == ["ValueError: wrong", "second line"]
    late = list(run_items(iter(items), Setting(torch.device("cpu"), True, time.monotonic() - 1)))
    assert [outcome.lines for outcome in late] == [["no time left"]] * 3


def test_an_endless_item_is_stopped():
    items = [Item("endless", lambda: sum(itertools.takewhile(lambda _: True, itertools.count())), most=0.1)]
    (found,) = run_items(iter(items), Setting(torch.device("cpu"), True, time.monotonic() + 60))
    assert found.status == "skipped"
    assert found.lines[0].startswith("stopped")


@pytest.mark.parametrize("name", ["copy", "reverse", "identity"])
def test_generated_pairs_are_disjoint_and_always_the_same(tmp_path, name):
    (tmp_path / "again").mkdir()
    pairs = small_data.generate(name, tmp_path)
    again = small_data.generate(name, tmp_path / "again")
    splits = [path.read_text().splitlines() for path in pairs[:3]]
    assert splits == [path.read_text().splitlines() for path in again[:3]]
    assert [len(split) for split in splits] == [100] * 3
    assert len({line for split in splits for line in split}) == 300
    for source, target in (line.split("\t") for split in splits for line in split):
        assert target == ("".join(reversed(source)) if name == "reverse" else source)


def test_results_of_small_data_are_kept_and_averaged(tmp_path, monkeypatch, capsys):
    values = {0: 0.25, 1: 0.75}
    calls = []

    def trained(pairs, split, seed, epochs, overrides):
        calls.append((pairs.train.name, split, seed, epochs, overrides))
        return values[seed]

    monkeypatch.setattr(small_data, "TOOLS", {"seqtool": trained})
    words = ["small_data", "--sets", "copy", "--seeds", "0", "1", "--epochs", "7", "--json", str(tmp_path / "r.jsonl")]
    monkeypatch.setattr(sys, "argv", words)
    small_data.main()
    assert calls == [("copy_train.tsv", "test", seed, 7, []) for seed in (0, 1)]
    small_data.main()
    assert len(calls) == 2, "results in the file are not repeated"
    assert "copy  test  7 epochs  seqtool    0.500  (2 seeds)" in capsys.readouterr().out


def test_two_checkouts_are_timed_in_turn(monkeypatch, capsys):
    monkeypatch.setattr(commits, "TIMED", ("command('--version')",))
    place = f"{ROOT}:{sys.executable}"
    monkeypatch.setattr(sys, "argv", ["commits", place, place, "--rounds", "2"])
    commits.main()
    (line,) = capsys.readouterr().out.splitlines()
    old, new, ratio = (float(line.split()[i]) for i in (1, 2, 4))
    assert old > 1
    assert new > 1
    assert 0.05 < ratio < 20
