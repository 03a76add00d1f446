"""Continuous tasks: training, resuming, evaluation, prediction, and parts that are refused for them."""

import csv
import json
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
import torch
from continuous_tasks import Halves, Signs
from registered import names
from small_run import figures, rows

import seqtool
from seqtool.build.check import check
from seqtool.errors import MisuseError, RecipeError, SeqtoolError
from seqtool.nn.feeding import Feeding
from seqtool.registry import Registry, discover
from seqtool.testing import check_task

Command = Callable[..., CompletedProcess[str]]
HALVES = """\
seqtool: 1
name: halves
seeds: [5]
task: halves
model:
  embedding: continuous
  encoder: {type: rnn, bidirectional: true, cell: {type: gru, hidden_size: 8}}
  decoder:
    type: attend_before
    cell: {type: gru, hidden_size: 8}
    attention: {scorer: additive}
    bridge: linear
train:
  steps: 40
  batch_size: 8
  optimizer: {type: adam, lr: 1e-2}
  metrics: [{type: within, tolerance: 0.2}]
  monitor: valid_within
  validate_every: 20
  validation_batches: 2
  validation_batch_size: 12
  log_every: 7
  accelerator: cpu
"""
METRICS, LOSSES = (", ".join(sorted(names(kind, without=frozenset({"symbols"})))) for kind in ("metric", "loss"))
POINTER = "{type: pointer, cell: {type: gru, hidden_size: 8}, attention: {scorer: additive}, bridge: linear}"


@pytest.fixture(scope="session")
def registry() -> Registry:
    return discover(modules=["continuous_tasks"])


@pytest.fixture(scope="session")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("halves") / "halves.yaml"
    path.write_text(HALVES)
    return path


@pytest.fixture(scope="session")
def run(halves: Path, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tests must not write to it."""
    out = tmp_path_factory.mktemp("run") / "halves"
    seqtool.run(halves, out=out, registry=registry)
    return out


@pytest.mark.parametrize("task", [Halves, Signs])
def test_continuous_tasks_keep_the_contract(task: type) -> None:
    check_task(task)


def test_files_of_a_run(run: Path) -> None:
    seed = run / "default/seed5"
    with open(seed / "metrics.csv", newline="") as file:
        assert csv.DictReader(file).fieldnames == [
            "step", "train_loss", "learning_rate", "valid_loss", "valid_within", "seconds",
        ]  # fmt: skip
    result = json.loads((seed / "result.json").read_text())
    assert 0 < result["within"] <= 1
    assert result["best"]["valid_within"] >= result["within"]
    assert "token_accuracy" not in result
    lines = [json.loads(line) for line in (seed / "predictions.jsonl").read_text().splitlines()]
    assert len(lines) == 24  # the validation examples: two batches of 12
    for line in lines:
        assert line["score"] is None
        assert len(line["predicted"]) == len(line["target"]) == min(3, len(line["source"]))
        for vector, wanted in zip(line["target"], line["source"], strict=False):
            assert vector == pytest.approx([value / 2 for value in wanted], abs=1e-6)
    with np.load(seed / "alignments.npz") as arrays:
        assert arrays["weights"].shape == (24, 1, 3, 6)
    assert (run / "weights.png").exists()
    assert (run / "losses.png").exists()


def test_a_resumed_run_equals_an_uninterrupted_one(
    run: Path, halves: Path, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("seqtool.training.stopping.StopSignal.agreed", lambda self, trainer, step: step == 20)
        with pytest.raises(SeqtoolError, match="resume with"):
            seqtool.run(halves, out=tmp_path / "parts", registry=registry)
    seqtool.run(resume=tmp_path / "parts", registry=registry)
    one, other = run / "default/seed5", tmp_path / "parts/default/seed5"
    assert rows(one) == rows(other)
    assert figures(one) == figures(other)
    assert (one / "predictions.jsonl").read_bytes() == (other / "predictions.jsonl").read_bytes()


def test_measures_are_those_of_the_predictions(run: Path, registry: Registry) -> None:
    loaded = seqtool.load(run, checkpoint="last", registry=registry)
    squares, absolutes, near, count = 0.0, 0.0, [], 0
    for k in range(2):
        batch = loaded.task.batch("valid", k, seed=0, rank=0, batch_size=12, device=torch.device("cpu"))
        texts = [
            " ".join(f"{a!r},{b!r}" for a, b in row[mask].tolist())
            for row, mask in zip(batch.source, batch.source_mask, strict=True)
        ]
        for found, target, mask in zip(loaded.predict(texts), batch.target, batch.target_mask, strict=True):
            gold = target[mask].tolist()
            assert found.hypotheses[0].values is not None
            assert found.score is None
            written = found.hypotheses[0].values[: len(gold)]
            errors = [
                o - y for vector, wanted in zip(written, gold, strict=True) for o, y in zip(vector, wanted, strict=True)
            ]
            squares += sum(e * e for e in errors) / 2
            absolutes += sum(map(abs, errors)) / 2
            near.append(all(abs(e) < 0.2 for e in errors))
            count += len(gold)
    evaluated = loaded.evaluate()
    measured = {name: estimate.value for name, estimate in evaluated.overall.measures.items()}
    assert measured == pytest.approx(
        {"mean_squared_error": squares / count, "mean_absolute_error": absolutes / count, "within": np.mean(near)}
    )
    assert [group.shortest for group in evaluated.by_length] == [2, 3]
    assert evaluated.overall.tokens == count
    result = json.loads((run / "default/seed5/result.json").read_text())
    assert measured["within"] == pytest.approx(result["within"])


def test_each_prediction_is_the_next_input(run: Path, registry: Registry) -> None:
    loaded = seqtool.load(run, registry=registry)
    source = torch.tensor([[[0.1, 0.9], [0.4, 0.2], [0.8, 0.3]]])
    vector, written = torch.zeros(1, 2), []
    with torch.no_grad():
        fixed, state = loaded.model.start(source, torch.ones(1, 3, dtype=torch.bool))
        for _ in range(3):
            vector, _, state = loaded.model.step(vector, fixed, state)
            written.append(vector[0].tolist())
    (found,) = loaded.predict(["0.1,0.9 0.4,0.2 0.8,0.3"])
    assert np.allclose(found.hypotheses[0].values, written, atol=1e-6)
    assert found.text == " ".join(found.symbols)
    assert [float(x) for x in found.symbols[2].split(",")] == pytest.approx(written[2], abs=1e-5)
    assert found.weights.shape == (1, 3, 3)


def test_on_the_command_line(run: Path, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = str(Path(__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([folder, *filter(None, [os.environ.get("PYTHONPATH")])]))
    (tmp_path / "in.txt").write_text("0.1,0.9 0.4,0.2 0.8,0.3\n0,0 1,1\n")
    plain = command("predict", run, tmp_path / "in.txt", "-p", "continuous_tasks")
    assert plain.returncode == 0, plain.stderr
    lines = [line.split("\t") for line in plain.stdout.splitlines()[1:]]
    assert [line[:4] for line in lines] == [["1", "1", "", "0.1,0.9 0.4,0.2 0.8,0.3"], ["2", "1", "", "0,0 1,1"]]
    found = [json.loads(line) for line in command(
        "predict", run, tmp_path / "in.txt", "-p", "continuous_tasks", "--json"
    ).stdout.splitlines()]  # fmt: skip
    assert [line["predictions"][0]["text"] for line in found] == [line[4] for line in lines]
    assert found[1]["source_symbols"] == ["0,0", "1,1"]
    values = found[0]["predictions"][0]["values"]
    assert " ".join(f"{a:.6g},{b:.6g}" for a, b in values) == lines[0][4]
    refused = command("predict", run, tmp_path / "in.txt", "-p", "continuous_tasks", "--search", "beam")
    assert refused.returncode == 2
    assert "search search:beam requires symbols, and the targets of this task are continuous" in refused.stderr
    assert "allowed: greedy" in refused.stderr
    measured = command("evaluate", run, "-p", "continuous_tasks", "--json")
    assert set(json.loads(measured.stdout)["overall"]["measures"]) == {
        "mean_squared_error", "mean_absolute_error", "within",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0.1,0.9 0.4", "'0.4' is not a valid source position: it must be 2 comma-separated finite numbers"),
        ("0.1,0.9 a,1", "could not convert string to float: 'a'"),
        ("0.1,nan", "is not a valid source position"),
        ("1e999,0", "is not a valid source position"),
        ("", "the source has no symbols"),
    ],
)
def test_an_invalid_continuous_source_is_refused(run: Path, registry: Registry, text: str, words: str) -> None:
    with pytest.raises(SeqtoolError, match=re.escape(words)):
        seqtool.load(run, registry=registry).predict([text])


def test_vectors_in_symbols_out(halves: Path, registry: Registry, tmp_path: Path) -> None:
    change = [
        "task=signs",
        "model.target_embedding=one_hot",
        "train.metrics=null",
        "train.monitor=valid_loss",
        "train.steps=60",
    ]
    seqtool.run(halves, out=tmp_path / "run", registry=registry, overrides=change)
    loaded = seqtool.load(tmp_path / "run", registry=registry)
    for search in ("greedy", {"type": "beam", "size": 2}, {"type": "sample", "samples": 2}):
        (found,) = loaded.predict(["-0.5,0 0.5,0"], search=search, max_length=2)
        assert set(found.text.split()) <= {"-", "+"}
        assert found.hypotheses[0].values is None
        assert math.isfinite(found.score)
    assert loaded.evaluate(search={"type": "beam", "size": 1}) == loaded.evaluate()


@pytest.mark.parametrize("precision", ["64-true", "bf16-mixed"])
def test_other_precisions(halves: Path, registry: Registry, tmp_path: Path, precision: str) -> None:
    change = [f"train.precision={precision}", "train.steps=3"]
    seqtool.run(halves, out=tmp_path / "run", registry=registry, overrides=change)
    (found,) = seqtool.load(tmp_path / "run", registry=registry).predict(["0,1"])
    assert len(found.symbols) == 3


@pytest.mark.parametrize("per", ["token", "example"])
def test_scheduled_sampling_feeds_continuous_predictions(run: Path, registry: Registry, per: str) -> None:
    """With probability 0, the result equals free running and differs from teacher forcing."""
    loaded = seqtool.load(run, registry=registry)
    batch = loaded.task.batch("valid", 0, seed=0, rank=0, batch_size=4, device=torch.device("cpu"))
    with torch.no_grad():
        free, _ = loaded.model(batch, Feeding(0.0, per))
        found = loaded.build_search().search(loaded.model, batch.source, batch.source_mask, 3)
        torch.testing.assert_close(free, found.ids[:, 0])
        taught, _ = loaded.model(batch)
        assert not torch.allclose(taught[:, 1:], free[:, 1:])
        torch.testing.assert_close(taught[:, 0], free[:, 0])


def refused(halves: Path, registry: Registry, *overrides: str) -> str:
    with pytest.raises(RecipeError) as caught:
        check(seqtool.load_recipe(halves, registry=registry, overrides=overrides))
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "words", "allowed"),
    [
        (
            "model.embedding=one_hot",
            "embedding: embedding embeddings:one_hot requires symbols, and the sources",
            "continuous",
        ),
        (
            "model.embedding=one_hot",
            "embedding: embedding embeddings:one_hot requires symbols, and the targets",
            "continuous",
        ),
        (
            "model.target_embedding={type: learned, embedding_size: 3}",
            "model.target_embedding: embedding embeddings:learned requires symbols, and the targets",
            "continuous",
        ),
        (
            "train.loss=cross_entropy",
            "loss training:cross_entropy requires symbols",
            LOSSES,
        ),
        (
            "train.loss={type: sum, losses: [mse, cross_entropy]}",
            "loss training:cross_entropy requires symbols",
            LOSSES,
        ),
        ("train.metrics=[within, token_accuracy]", "metric training:token_accuracy requires symbols", METRICS),
        ("train.search=beam", "train.search: search search:beam requires symbols, and the targets", "greedy"),
        ("train.search=sample", "train.search: search search:sample requires symbols, and the targets", "greedy"),
        (
            f"model.decoder={POINTER}",
            "model.decoder: decoder decoders:pointer requires symbols, and the targets of this task are continuous",
            "attend_after, attend_before, attend_inside, attend_only, plain",
        ),
    ],
)
def test_parts_for_symbols_are_refused_by_name(
    halves: Path, registry: Registry, change: str, words: str, allowed: str
) -> None:
    said = refused(halves, registry, change)
    assert words in said
    assert f"allowed: {allowed}" in said


def test_parts_for_continuous_targets_are_refused_for_symbols(halves: Path, registry: Registry) -> None:
    said = refused(halves, registry, "task={type: copy, length: 4}", "train.loss=mse", "train.monitor=valid_loss")
    for words in (
        "embedding embeddings:continuous requires continuous values, and the sources of this task are symbols",
        "embedding embeddings:continuous requires continuous values, and the targets of this task are symbols",
        "loss training:mse requires continuous values, and the targets of this task are symbols",
        "metric training:within requires continuous values, and the targets of this task are symbols",
    ):
        assert words in said, "all at once"


def test_losses_on_weights_work_with_continuous_targets(halves: Path, registry: Registry) -> None:
    check(seqtool.load_recipe(halves, registry=registry, overrides=["train.loss={type: sum, losses: [mse, coverage]}"]))


def test_requirements_of_a_built_search_are_checked(run: Path, registry: Registry) -> None:
    loaded = seqtool.load(run, registry=registry)
    with pytest.raises(MisuseError, match="requires symbols, and the targets of this task are continuous"):
        loaded.predict(["0,1"], search={"type": "sample"})
    with pytest.raises(MisuseError, match="requires symbols, and the targets of this task are continuous"):
        loaded.predict(["0,1"], search=seqtool.make("search/beam"))
